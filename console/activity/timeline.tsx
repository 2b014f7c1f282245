import { json } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { bytes, clock, seconds } from "../format.ts";
import { usePoll } from "../poll.ts";

interface Entry {
  readonly id: string;
  readonly sequence: number;
  readonly kind: string;
  readonly action: string;
  readonly time: string;
  readonly duration_ms: number | null;
  readonly end: { readonly cause: string; readonly exit_code?: number; readonly status?: number } | null;
  readonly language?: string;
  readonly paths?: readonly string[];
  readonly bytes: { readonly input?: number; readonly stdout?: number; readonly stderr?: number };
  readonly client?: string;
}

const SHOWN = 100;

/** The record of what was done through the APIs, newest first. */
export function Timeline({ isActive }: TabProps) {
  const timeline = usePoll(isActive, 1500, async (signal) => {
    const { entries } = await json<{ entries: Entry[] }>("timeline", { signal, query: { limit: SHOWN } });
    return entries;
  });
  if (timeline.status === 404)
    return (
      <p class="empty">This sandbox keeps no record of what was done: its agent is older than this page.</p>
    );
  if (!timeline.data) return <p class="hint">{timeline.error ?? "Reading…"}</p>;
  if (timeline.data.length === 0)
    return (
      <p class="empty">Nothing was done yet. Runs, changed files and terminals appear here as they happen.</p>
    );
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Timeline">
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">What</th>
            <th scope="col">End</th>
            <th scope="col">Took</th>
            <th scope="col">Size</th>
            <th scope="col">By</th>
          </tr>
        </thead>
        <tbody>
          {timeline.data.map((entry) => (
            <Row key={entry.sequence} entry={entry} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({
  entry: { kind, action, time, duration_ms: took, end, language, paths, bytes: sizes, client },
}: {
  readonly entry: Entry;
}) {
  const size = (sizes.input ?? 0) + (sizes.stdout ?? 0) + (sizes.stderr ?? 0);
  const isGood = end?.cause === "done" || (end?.cause === "exited" && end.exit_code === 0);
  const state = end === null ? "running" : isGood ? "completed" : "failed";
  const text = end?.exit_code === undefined ? (end?.cause ?? "under way") : `${end.cause} ${end.exit_code}`;
  return (
    <tr>
      <td>{clock(time)}</td>
      <td>
        <strong>{kind}</strong> {action === "run" ? (language ?? "") : action}{" "}
        <code>{paths?.join(", ")}</code>
      </td>
      <td>
        <span class="state" data-state={state}>
          {text}
        </span>
      </td>
      <td class="number">{took === null ? "–" : seconds(took / 1000)}</td>
      <td class="number">{size === 0 ? "–" : bytes(size)}</td>
      <td title={client}>{nameOf(client)}</td>
    </tr>
  );
}

/** Browsers all call themselves Mozilla, and say more than anybody wants to read. */
function nameOf(client = ""): string {
  return client.startsWith("Mozilla/") ? "browser" : (client.split(" ")[0] ?? "");
}
