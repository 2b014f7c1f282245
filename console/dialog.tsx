import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

interface Asked {
  readonly title: string;
  readonly text?: string;
  /** Of a field to fill in; absent: yes or no. */
  readonly label?: string;
  readonly value?: string;
  readonly button: string;
  readonly isDangerous?: boolean;
}

const asked = signal<(Asked & { resolve(answer: string | undefined): void }) | undefined>(undefined);

/** @returns What was filled in ("" without a field), or undefined when the person thought better of it. */
export function ask(question: Asked): Promise<string | undefined> {
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      resolve: (answer) => {
        asked.value = undefined;
        resolve(answer);
      },
    };
  });
}

export function Dialog() {
  const box = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const question = asked.value;
  useEffect(() => {
    if (!question) return;
    box.current?.showModal();
    field.current?.select();
  }, [question]);
  if (!question) return null;
  const submit = (event: Event) => {
    event.preventDefault();
    const value = field.current?.value.trim() ?? "";
    if (question.label === undefined || value !== "") question.resolve(value);
  };
  return (
    <dialog ref={box} aria-labelledby="dialog-title" onClose={() => question.resolve(undefined)}>
      <form onSubmit={submit}>
        <h2 id="dialog-title">{question.title}</h2>
        {question.text !== undefined && <p>{question.text}</p>}
        {question.label !== undefined && (
          <label>
            {question.label}
            <input ref={field} value={question.value ?? ""} autocomplete="off" spellcheck={false} />
          </label>
        )}
        <div class="dialog-end">
          <button type="button" onClick={() => question.resolve(undefined)}>
            Cancel
          </button>
          <button class={question.isDangerous === true ? "danger" : "primary"}>{question.button}</button>
        </div>
      </form>
    </dialog>
  );
}
