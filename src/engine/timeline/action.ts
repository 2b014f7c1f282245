import type { Origin } from "../../lib/origin.ts";
import { TIMELINE_KINDS, type TimelineEntry, type TimelineKind } from "./entry.ts";

/** Something that was done through an API without a run. */
export interface Action {
  /** One of the record's kinds. */
  readonly kind: string;
  readonly name: string;
  readonly paths: readonly string[];
  readonly bytes: number | undefined;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** Of the answer. */
  readonly status: number;
  readonly origin: Origin;
}

/** Longer ones are cut: an entry is a line, not a document. */
const MOST_PATH = 1024;

/** @throws TypeError for a kind that the record does not know. */
export function entryOf({ kind, name, paths, bytes, status, origin, ...times }: Action): TimelineEntry {
  const { api, requestId, caller, client, trace } = origin;
  return {
    id: `act_${Bun.randomUUIDv7().replaceAll("-", "")}`,
    kind: known(kind),
    action: name,
    ...times,
    end: { cause: status < 400 ? "done" : "refused", status },
    ...(paths.length > 0 && { paths: paths.map((path) => path.slice(0, MOST_PATH)) }),
    // Of what is typed or set, the length alone may tell too much.
    ...(kind === "file" && { sizes: { input: bytes } }),
    origin: { api, requestId, caller, client },
    traceId: trace?.traceId,
  };
}

function known(kind: string): TimelineKind {
  const found = TIMELINE_KINDS.find((one) => one === kind);
  if (found === undefined) throw new TypeError(`The record knows no ${kind}`);
  return found;
}
