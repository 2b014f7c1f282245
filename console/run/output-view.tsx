import { useEffect, useRef, useState } from "preact/hooks";
import { seconds } from "../format.ts";
import { Ansi } from "./ansi.tsx";
import type { LiveRun, Output, Question } from "./live-run.ts";
import { RichOutput } from "./rich-output.tsx";

const NEAR_END = 40;

/** What a run has told so far, and how it stands. */
export function OutputView({ run }: { readonly run: LiveRun }) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const version = run.version.value;
  useEffect(() => {
    const element = box.current;
    if (element && isAtEnd.current) element.scrollTop = element.scrollHeight;
  }, [version]);
  const onScroll = () => {
    const element = box.current;
    if (element) isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
  };
  const question = run.question.value;
  return (
    <>
      <RunStatus run={run} />
      <div class="outputs" ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Output">
        {run.outputs.map((output, index) => (
          <One key={index} output={output} />
        ))}
        {question && <Ask question={question} onAnswer={(text) => run.answer(text)} />}
        {run.state.value.kind === "ended" && run.outputs.length === 0 && (
          <p class="hint">It printed nothing.</p>
        )}
      </div>
    </>
  );
}

function One({ output }: { readonly output: Output }) {
  switch (output.kind) {
    case "text":
      return (
        <pre class={output.stream}>
          <Ansi text={output.text} />
        </pre>
      );
    case "rich":
      return <RichOutput data={output.data} />;
    case "note":
      return <p class="hint">{output.text}</p>;
    case "failure":
      return (
        <div class="failure" role="alert">
          <strong>{output.title}</strong>
          {output.traceback.length > 0 && (
            <pre>
              <Ansi text={output.traceback.join("\n")} />
            </pre>
          )}
        </div>
      );
  }
}

function Ask({
  question,
  onAnswer,
}: {
  readonly question: Question;
  readonly onAnswer: (text: string) => void;
}) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const submit = (event: Event) => {
    event.preventDefault();
    onAnswer(field.current?.value ?? "");
  };
  return (
    <form class="ask" onSubmit={submit}>
      <label>
        {question.prompt === "" ? "Input" : question.prompt}
        {question.isPassword ? (
          <input ref={field} type="password" autocomplete="off" />
        ) : (
          <input ref={field} autocomplete="off" />
        )}
      </label>
      <button>Send</button>
    </form>
  );
}

function RunStatus({ run }: { readonly run: LiveRun }) {
  const state = run.state.value;
  const now = useNow(state.kind === "running");
  const [word, text] = (() => {
    switch (state.kind) {
      case "starting":
        return ["busy", "Starting…"] as const;
      case "running":
        return ["busy", `Running, ${seconds(Math.max(0, now - state.since) / 1000)}`] as const;
      case "reconnecting":
        return ["bad", "Connection lost; it runs on and is gone on with as soon as possible"] as const;
      case "ended":
        return [state.isGood ? "good" : "bad", `${state.text}, ${seconds(state.seconds)}`] as const;
    }
  })();
  return (
    <p class="run-status" role="status" data-state={word}>
      <span class="dot" /> {text}
    </p>
  );
}

function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isTicking) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [isTicking]);
  return now;
}
