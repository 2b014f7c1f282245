import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  StreamLanguage,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, Prec, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** Colours are the page's variables, so that both themes are one style. */
const theme = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--field)", fontSize: "13.5px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--accent)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)" },
  ".cm-gutters": { backgroundColor: "var(--field)", color: "var(--faint)", border: "none" },
  ".cm-activeLine": { backgroundColor: "var(--line-active)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--line-active)", color: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection)",
  },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", border: "1px solid var(--border)" },
});

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.propertyName)],
    color: "var(--code-function)",
  },
  { tag: [tags.typeName, tags.className, tags.namespace], color: "var(--code-type)" },
  { tag: [tags.definition(tags.variableName), tags.propertyName], color: "var(--code-name)" },
  { tag: tags.heading, fontWeight: "bold" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

/** Languages by what the API calls them, and by the endings of files. */
const LANGUAGES: Readonly<Record<string, () => Promise<Extension>>> = {
  python: async () => (await import("@codemirror/lang-python")).python(),
  javascript: async () => (await import("@codemirror/lang-javascript")).javascript({ jsx: true }),
  typescript: async () =>
    (await import("@codemirror/lang-javascript")).javascript({ typescript: true, jsx: true }),
  go: async () => (await import("@codemirror/lang-go")).go(),
  java: async () => (await import("@codemirror/lang-java")).java(),
  json: async () => (await import("@codemirror/lang-json")).json(),
  markdown: async () => (await import("@codemirror/lang-markdown")).markdown(),
  bash: async () => StreamLanguage.define((await import("@codemirror/legacy-modes/mode/shell")).shell),
  yaml: async () => StreamLanguage.define((await import("@codemirror/legacy-modes/mode/yaml")).yaml),
  toml: async () => StreamLanguage.define((await import("@codemirror/legacy-modes/mode/toml")).toml),
};
const ENDINGS: Readonly<Record<string, string>> = {
  ...{ py: "python", js: "javascript", mjs: "javascript", cjs: "javascript", jsx: "javascript" },
  ...{ ts: "typescript", tsx: "typescript", go: "go", java: "java", json: "json", md: "markdown" },
  ...{ sh: "bash", bash: "bash", yml: "yaml", yaml: "yaml", toml: "toml" },
};

export function languageOfFile(name: string): string {
  return ENDINGS[/\.(\w+)$/.exec(name)?.[1] ?? ""] ?? "text";
}

export interface EditorOptions {
  readonly parent: HTMLElement;
  readonly text: string;
  readonly language: string;
  /** For who cannot see it. */
  readonly label: string;
  readonly isReadOnly?: boolean;
  readonly keys?: Readonly<Record<string, () => void>>;
  readonly onChange?: () => void;
}

/** A text field for code. */
export class CodeEditor {
  readonly view: EditorView;
  readonly #language = new Compartment();
  /** What the page itself puts in is no change of the person's. */
  #isBeingSet = false;

  constructor({ parent, text, language, label, isReadOnly = false, keys = {}, onChange }: EditorOptions) {
    const own = Object.entries(keys).map(([key, act]) => ({
      key,
      run: () => {
        act();
        return true;
      },
    }));
    const extensions = [
      Prec.highest(keymap.of(own)),
      ...[lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets()],
      ...[autocompletion(), highlightActiveLine(), highlightActiveLineGutter(), highlightSelectionMatches()],
      ...[syntaxHighlighting(colours), theme, indentUnit.of("    "), EditorState.readOnly.of(isReadOnly)],
      EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
      EditorView.updateListener.of(({ docChanged }) => {
        if (docChanged && !this.#isBeingSet) onChange?.();
      }),
      keymap.of([
        ...[...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap],
        indentWithTab,
      ]),
      this.#language.of([]),
    ];
    this.view = new EditorView({ parent, state: EditorState.create({ doc: text, extensions }) });
    this.setLanguage(language);
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  set text(insert: string) {
    if (insert === this.text) return;
    this.#isBeingSet = true;
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert } });
    this.#isBeingSet = false;
  }

  setLanguage(name: string): void {
    const load = LANGUAGES[name];
    const set = (extension: Extension) =>
      this.view.dispatch({ effects: this.#language.reconfigure(extension) });
    // Without its colours a text can still be edited.
    if (load) load().then(set, () => set([]));
    else set([]);
  }

  close(): void {
    this.view.destroy();
  }
}
