import { useEffect, useRef, useState } from "preact/hooks";
import { describe, logIn } from "./api.ts";

/** @param again The session has ended, and the page is still there behind this. */
export function Login({ again = false }: { readonly again?: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => field.current?.focus(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    const input = field.current;
    if (!input || input.value.trim() === "") return;
    setIsBusy(true);
    try {
      await logIn(input.value.trim());
    } catch (reason) {
      setError(describe(reason));
      setIsBusy(false);
    }
  };
  return (
    <div class={again ? "login over" : "login"}>
      <form onSubmit={(event) => void submit(event)} aria-labelledby="login-title">
        <p class="brand">sanderling</p>
        <h1 id="login-title">{again ? "Log in again" : "Log in to this sandbox"}</h1>
        {again && <p>The session has ended. What is open here stays as it is.</p>}
        <label for="token">Token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="off"
          spellcheck={false}
          aria-describedby="token-help"
          aria-invalid={error !== undefined}
        />
        <p id="token-help" class="hint">
          Printed when the daemon starts, or by <code>sanderling token</code>. It is exchanged for a session
          of this browser and kept nowhere.
        </p>
        {error !== undefined && (
          <p role="alert" class="error">
            {error}
          </p>
        )}
        <button class="primary" disabled={isBusy}>
          {isBusy ? "Logging in…" : "Log in"}
        </button>
      </form>
    </div>
  );
}
