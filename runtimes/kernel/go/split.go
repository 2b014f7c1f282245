package main

import (
	"go/scanner"
	"go/token"
	"regexp"
	"strings"
)

// A part of a cell is all declarations or all statements: the interpreter takes either, but not both at once.
type part struct {
	code          string
	isDeclaration bool
	isImport      bool
	// The last declaration or statement of it.
	last string
}

// What a program's main is called in a cell; the interpreter would run a function main again with each cell.
const mainName = "main_"

var importSpec = regexp.MustCompile(`(?:[\w.]+\s+)?"[^"\n]+"`)

// split cuts a cell into parts, each behind as many newlines as put it on its own lines. A whole program loses
// its package clause, and its main is called at the end.
func split(code string) []part {
	var parts []part
	callsMain := false
	for _, piece := range pieces(code) {
		text := code[piece.from:piece.to]
		lead := strings.Repeat("\n", strings.Count(code[:piece.from], "\n"))
		switch {
		case piece.first == token.IMPORT:
			// One by one: what is imported already is refused, and the rest of a group with it.
			for _, spec := range importSpec.FindAllString(strings.TrimPrefix(text, "import"), -1) {
				parts = append(parts, part{lead + "import " + spec, true, true, spec})
			}
			continue
		case piece.first == token.FUNC && !piece.isDeclaration():
			// A cell that begins with "func" is taken for a declaration.
			text = "_ = 0; " + text
		case piece.first == token.PACKAGE:
			continue
		case piece.mainAt >= 0:
			callsMain = true
			at := piece.mainAt - piece.from
			text = text[:at] + mainName + text[at+len("main"):]
		}
		statement := text
		text = lead + text
		last := len(parts) - 1
		if last >= 0 && !parts[last].isImport && parts[last].isDeclaration == piece.isDeclaration() {
			// The lines up to the piece are in the part already.
			missing := strings.Count(text, "\n") - strings.Count(parts[last].code, "\n")
			body := strings.TrimLeft(text, "\n")
			gap := max(0, missing-strings.Count(body, "\n"))
			separator := strings.Repeat("\n", gap)
			if gap == 0 {
				separator = "; "
			}
			parts[last].code += separator + body
			parts[last].last = statement
			continue
		}
		parts = append(parts, part{text, piece.isDeclaration(), false, statement})
	}
	if callsMain {
		parts = append(parts, part{mainName + "()", false, false, "}"})
	}
	return parts
}

// A piece is one declaration or statement at the top level of a cell.
type piece struct {
	from, to int
	first    token.Token
	second   token.Token
	mainAt   int
	// Whether it is between "for", "if" or "switch" and the block, where semicolons separate clauses.
	inHeader bool
}

func (p piece) isDeclaration() bool {
	switch p.first {
	case token.PACKAGE, token.IMPORT, token.TYPE, token.VAR, token.CONST:
		return true
	case token.FUNC:
		// A method has a receiver, a literal that is called at once has none; a name follows only the first.
		return p.second == token.IDENT
	}
	return false
}

func pieces(code string) []piece {
	var found []piece
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(code))
	var scan scanner.Scanner
	scan.Init(file, []byte(code), func(token.Position, string) {}, 0)
	current := piece{from: -1, mainAt: -1}
	depth, count := 0, 0
	for {
		position, kind, text := scan.Scan()
		at := file.Offset(position)
		if depth == 0 && (kind == token.SEMICOLON && !(text == ";" && current.inHeader) || kind == token.EOF) {
			if current.from >= 0 {
				current.to = min(at, len(code))
				found = append(found, current)
			}
			current, count = piece{from: -1, mainAt: -1}, 0
			if kind == token.EOF {
				return found
			}
			continue
		}
		if kind == token.EOF {
			current.to = len(code)
			return append(found, current)
		}
		if current.from < 0 {
			current.from, current.first = at, kind
		}
		switch count++; {
		case count == 2:
			current.second = kind
			if current.first == token.FUNC && text == "main" {
				current.mainAt = at
			}
			if current.first == token.FUNC && kind == token.LPAREN && isMethod(code[at:]) {
				current.second = token.IDENT
			}
		}
		switch kind {
		case token.FOR, token.IF, token.SWITCH:
			current.inHeader = current.inHeader || count == 1
		case token.LBRACE:
			current.inHeader = false
		}
		switch kind {
		case token.LPAREN, token.LBRACE, token.LBRACK:
			depth++
		case token.RPAREN, token.RBRACE, token.RBRACK:
			depth--
		}
	}
}

// isMethod tells a receiver, behind which a name and parameters stand, from the parameters of a literal.
func isMethod(rest string) bool {
	end := strings.IndexByte(rest, ')')
	if end < 0 {
		return false
	}
	after := strings.TrimLeft(rest[end+1:], " \t")
	name := strings.IndexAny(after, "({ ")
	return name > 0 && after[name] == '('
}
