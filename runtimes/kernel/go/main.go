// Command gokernel executes Go cells with the yaegi interpreter, for a Jupyter kernel that speaks with it in lines
// of JSON: requests on descriptor 3, answers on descriptor 4. What cells print goes to its own stdout and stderr.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/scanner"
	"os"
	"reflect"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/traefik/yaegi/interp"
	"github.com/traefik/yaegi/stdlib"
	"github.com/traefik/yaegi/stdlib/unrestricted"
)

// A request is a cell to execute, or an interrupt of the one under way.
type request struct {
	Code      string `json:"code"`
	Stdin     string `json:"stdin"`
	Interrupt bool   `json:"interrupt"`
}

// An answer tells the value of a cell's last expression, or how it failed.
type answer struct {
	Text      *string  `json:"text,omitempty"`
	Name      string   `json:"ename,omitempty"`
	Message   string   `json:"evalue,omitempty"`
	Traceback []string `json:"traceback,omitempty"`
}

func main() {
	requests := json.NewDecoder(bufio.NewReader(os.NewFile(3, "requests")))
	answers := json.NewEncoder(os.NewFile(4, "answers"))
	for _, fd := range []int{3, 4} {
		syscall.CloseOnExec(fd)
	}
	interpreter := newInterpreter()
	cells := make(chan request)
	interrupts := make(chan struct{}, 1)
	var isBusy atomic.Bool
	go read(requests, cells, interrupts, &isBusy)
	for cell := range cells {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan answer, 1)
		go func() { done <- execute(ctx, interpreter, cell) }()
		var result answer
		select {
		case result = <-done:
		case <-interrupts:
			result = answer{Name: "Interrupted", Message: "interrupted", Traceback: []string{"Interrupted"}}
		}
		cancel()
		// Before the next cell can come, which an interrupt of this one must not hit.
		isBusy.Store(false)
		select {
		case <-interrupts:
		default:
		}
		answers.Encode(result)
	}
}

// read hands on cells and interrupts; an interrupt that comes when no cell is under way is dropped.
func read(requests *json.Decoder, cells chan<- request, interrupts chan<- struct{}, isBusy *atomic.Bool) {
	for {
		var next request
		if requests.Decode(&next) != nil {
			os.Exit(0) // The kernel has gone.
		}
		if !next.Interrupt {
			isBusy.Store(true)
			cells <- next
			continue
		}
		if !isBusy.Load() {
			continue
		}
		select {
		case interrupts <- struct{}{}:
		default:
		}
	}
}

func newInterpreter() *interp.Interpreter {
	interpreter := interp.New(interp.Options{GoPath: os.Getenv("GOPATH"), Env: os.Environ()})
	must(interpreter.Use(stdlib.Symbols))
	// The kernel is the user's own process: it may end itself and start others.
	must(interpreter.Use(unrestricted.Symbols))
	return interpreter
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}

func execute(ctx context.Context, interpreter *interp.Interpreter, cell request) (result answer) {
	defer func() {
		if reason := recover(); reason != nil {
			result = answer{Name: "panic", Message: fmt.Sprint(reason), Traceback: lines(string(debug.Stack()))}
		}
	}()
	if err := takeInput(cell.Stdin); err != nil {
		return answer{Name: "KernelError", Message: err.Error(), Traceback: []string{err.Error()}}
	}
	for _, part := range split(cell.Code) {
		value, err := interpreter.EvalWithContext(ctx, part.code)
		if err != nil && part.isImport && strings.Contains(err.Error(), "redeclared in this block") {
			continue
		}
		if err != nil {
			return failure(err, cell.Code)
		}
		result = answer{}
		if !part.isDeclaration {
			result.Text = show(value, part.last)
		}
	}
	return result
}

// takeInput puts what the cell may read on descriptor 0, for the programs it starts as well.
func takeInput(path string) error {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open the input: %w", err)
	}
	defer syscall.Close(fd)
	return syscall.Dup3(fd, 0, 0)
}

// The interpreter gives a value for statements that have none to show.
var isSilent = regexp.MustCompile(`^(?:_ = 0; )?(?:func|for|if|switch|select|go|defer|return|\}|\))|:?=[^=]|(?:\+\+|--)$|^(?:fmt\.(?:F?[Pp]rint|F?[Ss]can)|println?\()`)

func show(value reflect.Value, statement string) *string {
	if !value.IsValid() || !value.CanInterface() || isSilent.MatchString(lastLine(statement)) {
		return nil
	}
	if value.Kind() == reflect.Func || value.Kind() == reflect.Interface && value.IsNil() {
		return nil
	}
	text := fmt.Sprintf("%+v", value.Interface())
	if value.Kind() == reflect.String {
		text = strconv.Quote(value.String())
	}
	return &text
}

func lastLine(code string) string {
	all := lines(strings.TrimSpace(code))
	return strings.TrimSpace(all[len(all)-1])
}

func lines(text string) []string { return strings.Split(text, "\n") }

// The interpreter tells places as line:column, in code that it may have put a frame around.
var place = regexp.MustCompile(`^(?:_\.go:)?(\d+):(\d+): `)

func failure(err error, code string) answer {
	var panicked interp.Panic
	if errors.As(err, &panicked) {
		message := fmt.Sprint(panicked.Value)
		return answer{Name: "panic", Message: message, Traceback: []string{"panic: " + message}}
	}
	name := "CompileError"
	if _, isSyntax := err.(scanner.ErrorList); isSyntax {
		name = "SyntaxError"
	}
	message := err.Error()
	found := place.FindStringSubmatch(message)
	if found == nil {
		return answer{Name: name, Message: message, Traceback: []string{message}}
	}
	line, _ := strconv.Atoi(found[1])
	text := message[len(found[0]):]
	trace := []string{fmt.Sprintf("cell.go:%d: %s", line, text)}
	if all := lines(code); line >= 1 && line <= len(all) {
		trace = append(trace, "    "+strings.TrimSpace(all[line-1]))
	}
	return answer{Name: name, Message: text, Traceback: trace}
}
