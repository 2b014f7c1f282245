import { useState } from "preact/hooks";
import { call, json } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { bytes, clock, seconds } from "../format.ts";
import { tellError } from "../notices.tsx";
import { usePoll } from "../poll.ts";
import { Ansi } from "../run/ansi.tsx";

interface Run {
  readonly process_id: string;
  readonly name: string;
  readonly language: string;
  readonly command: string;
  readonly status: string;
  readonly started_at: string;
  readonly duration: number;
  readonly memory_bytes: number;
  readonly cpu_percent: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly end: { readonly description: string } | null;
}

/** What was started in the background, with the newest of its output. */
export function Runs({ isActive }: TabProps) {
  const [chosen, setChosen] = useState<string>();
  const runs = usePoll(isActive, 1500, async (signal) => {
    const { processes } = await json<{ processes: Run[] }>("execute/processes", { signal });
    return processes;
  });
  const kill = async (id: string) => {
    await call(`execute/kill/${id}`, { method: "POST", body: {} });
    runs.reload();
  };
  if (!runs.data) return <p class="hint">{runs.error ?? "Reading…"}</p>;
  if (runs.data.length === 0)
    return (
      <p class="empty">
        Nothing runs in the background. <code>POST /commands/background</code> and{" "}
        <code>/execute/background</code> start what is listed here.
      </p>
    );
  return (
    <ul class="rows">
      {runs.data.map((run) => (
        <li key={run.process_id} class="run-row">
          <div>
            <button
              class="quiet run-name"
              aria-expanded={chosen === run.process_id}
              onClick={() => setChosen(chosen === run.process_id ? undefined : run.process_id)}
            >
              <span class="state" data-state={run.status}>
                {run.status}
              </span>
              <strong>{run.name}</strong>
              <code>{run.command}</code>
            </button>
            <span class="hint">
              {clock(run.started_at)}, {seconds(run.duration)}
              {run.status === "running" ? `, ${bytes(run.memory_bytes)}, ${run.cpu_percent} % CPU` : ""}
            </span>
            {run.status === "running" && (
              <button class="danger" onClick={() => void kill(run.process_id).catch(tellError)}>
                Kill
              </button>
            )}
          </div>
          {chosen === run.process_id && (
            <div class="run-output">
              {run.end && <p class="hint">{run.end.description}</p>}
              {run.stdout === "" && run.stderr === "" && <p class="hint">It has printed nothing.</p>}
              {run.stdout !== "" && (
                <pre class="stdout">
                  <Ansi text={run.stdout} />
                </pre>
              )}
              {run.stderr !== "" && (
                <pre class="stderr">
                  <Ansi text={run.stderr} />
                </pre>
              )}
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}
