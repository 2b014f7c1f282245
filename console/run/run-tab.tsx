import { useEffect, useRef, useState } from "preact/hooks";
import { json } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { CodeEditor } from "../editor.ts";
import { Icon } from "../icons.tsx";
import { tellError } from "../notices.tsx";
import { usePoll } from "../poll.ts";
import { LiveRun } from "./live-run.ts";
import { OutputView } from "./output-view.tsx";
import { Splitter } from "../splitter.tsx";

interface Info {
  readonly languages: readonly { readonly id: string; readonly installed: boolean }[];
}
interface Sessions {
  readonly sessions: readonly {
    readonly session_id: string;
    readonly language: string;
    readonly execution_state: string;
    readonly executions: number;
  }[];
}

const COMMAND = "command";
/** Instead of the id of a context. */
const FRESH = "fresh";
const SHARED = "shared";
const NEW = "new";
const DRAFT = "sanderling-console-draft";
const MINUTES = 60 * 60;

const EXAMPLES: Readonly<Record<string, string>> = {
  python: `import numpy as np, pandas as pd, matplotlib.pyplot as plt

x = np.linspace(0, 4 * np.pi, 400)
plt.figure(figsize=(7, 2.6))
plt.plot(x, np.sin(x) * np.exp(-x / 8), label="damped")
plt.legend()
plt.show()

pd.DataFrame({"x": x[:5].round(3), "sin": np.sin(x[:5]).round(3)})
`,
  javascript: `const squares = Array.from({ length: 5 }, (_, n) => n ** 2);\nconsole.log(squares);\n`,
  typescript: `const squares: number[] = Array.from({ length: 5 }, (_, n) => n ** 2);\nconsole.log(squares);\n`,
  bash: `for n in 1 2 3; do echo "line $n"; sleep 0.5; done\n`,
  command: `uname -a && df -h .\n`,
};

export function RunTab({ isActive }: TabProps) {
  const [language, setLanguage] = useState("python");
  const [context, setContext] = useState(SHARED);
  const [run, setRun] = useState<LiveRun>();
  const info = usePoll(isActive, 60_000, (signal) => json<Info>("info", { signal }));
  const contexts = usePoll(isActive, 5000, (signal) => json<Sessions>("jupyter/sessions", { signal }));
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<CodeEditor | undefined>(undefined);
  const start = useRef<() => void>(() => undefined);

  useEffect(() => {
    if (!host.current) return undefined;
    const made = new CodeEditor({
      parent: host.current,
      text: sessionStorage.getItem(DRAFT) ?? EXAMPLES["python"] ?? "",
      language,
      label: "Code",
      keys: { "Mod-Enter": () => start.current() },
      onChange: () => sessionStorage.setItem(DRAFT, made.text),
    });
    editor.current = made;
    made.view.focus();
    return () => made.close();
  }, []);

  const state = run?.state.value.kind;
  const isUnderWay = state !== undefined && state !== "ended";
  start.current = () => {
    const code = editor.current?.text ?? "";
    if (isUnderWay || code.trim() === "") return;
    run?.close();
    const next = startRun(code, language, context);
    setRun(next);
    void next.done.promise.then(() => contexts.reload());
  };

  const chooseLanguage = (next: string) => {
    const text = editor.current?.text;
    if (editor.current && (text === "" || Object.values(EXAMPLES).includes(text ?? "")))
      editor.current.text = EXAMPLES[next] ?? "";
    editor.current?.setLanguage(next === COMMAND ? "bash" : next);
    setLanguage(next);
    setContext(next === COMMAND ? FRESH : SHARED);
  };
  const chooseContext = async (next: string) => {
    if (next !== NEW) setContext(next);
    else
      await makeContext().then(
        (id) => {
          contexts.reload();
          setContext(id);
        },
        (error: unknown) => tellError(error),
      );
  };
  const own = (contexts.data?.sessions ?? []).filter((one) => one.language === language);
  return (
    <>
      <div class="bar">
        <LanguageChoice info={info.data} value={language} onChange={chooseLanguage} />
        {language !== COMMAND && (
          <label class="choice">
            <span>Context</span>
            <select value={context} onChange={(event) => void chooseContext(event.currentTarget.value)}>
              <option value={SHARED}>Shared: keeps variables</option>
              <option value={FRESH}>Fresh: keeps nothing</option>
              {own.map(({ session_id: id, execution_state: doing }) => (
                <option key={id} value={id}>
                  {id.slice(0, 24)} ({doing})
                </option>
              ))}
              {context !== SHARED && context !== FRESH && !own.some((one) => one.session_id === context) && (
                <option value={context}>{context.slice(0, 24)}</option>
              )}
              {language === "python" && <option value={NEW}>New context…</option>}
            </select>
          </label>
        )}
        <span class="grow" />
        {isUnderWay && run ? (
          <button
            class="danger"
            onClick={() => run.stop()}
            title="Interrupts; a second time it is ended by force"
          >
            <Icon name="stop" /> Stop
          </button>
        ) : (
          <button class="primary" onClick={() => start.current()} title="Ctrl+Enter">
            <Icon name="play" /> Run <kbd>Ctrl ↵</kbd>
          </button>
        )}
      </div>
      <Splitter
        name="run"
        first={<div class="editor" ref={host} />}
        second={
          run ? (
            <OutputView run={run} />
          ) : (
            <div class="empty">
              <p>Output appears here as it is printed: text, plots, tables and HTML.</p>
              <p class="hint wide">
                <kbd>Ctrl</kbd> <kbd>Enter</kbd> runs. <kbd>Esc</kbd>, then <kbd>Tab</kbd> leaves the editor.
              </p>
            </div>
          )
        }
      />
    </>
  );
}

function startRun(code: string, language: string, context: string): LiveRun {
  if (language === COMMAND) return new LiveRun("commands/stream", { command: code, timeout: MINUTES });
  if (context === FRESH) return new LiveRun("stream", { code, language, timeout: MINUTES });
  const named = context === SHARED ? {} : { context_id: context };
  return new LiveRun("stream/ipython", { code, language, timeout: MINUTES, ...named });
}

/** A Python with variables of its own, made by the first thing that it does. */
async function makeContext(): Promise<string> {
  const id = `context-${Math.random().toString(36).slice(2, 8)}`;
  await json("execute/ipython", { method: "POST", body: { code: "pass", session_id: id } });
  return id;
}

interface LanguageChoiceProps {
  readonly info: Info | undefined;
  readonly value: string;
  readonly onChange: (language: string) => void;
}

function LanguageChoice({ info, value, onChange }: LanguageChoiceProps) {
  const languages = info?.languages ?? [{ id: "python", installed: true }];
  return (
    <label class="choice">
      <span>Language</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {languages.map(({ id, installed }) => (
          <option key={id} value={id} disabled={!installed}>
            {TITLES[id] ?? id}
            {installed ? "" : " (not installed)"}
          </option>
        ))}
        <option value={COMMAND}>Shell command</option>
      </select>
    </label>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  ...{ python: "Python", javascript: "JavaScript", typescript: "TypeScript" },
  ...{ bash: "Bash", go: "Go", java: "Java" },
};
