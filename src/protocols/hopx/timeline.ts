import type { RecordedEntry, TimelineKind } from "../../engine/timeline/entry.ts";
import type { Timeline } from "../../engine/timeline/timeline.ts";
import type { TimelineQuery } from "../../engine/timeline/timeline-table.ts";
import { eventStream, toFrame, toLine } from "../../http/event-stream.ts";
import { Upgrade, isHandshake } from "../../http/websocket.ts";
import { route } from "./context.ts";
import { errorBody } from "./schema.ts";
import * as shapes from "./timeline-schema.ts";

const JSONL = "application/x-ndjson";
/** Rows of one read of an export: more would hold up everything else. */
const PAGE = 500;

const refusals = {
  400: { description: "Invalid filter", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
} as const;

/** The record of what was done through both APIs (docs/observability.md). */
export const timelineRoutes = [
  route({
    method: "GET",
    path: "/timeline",
    credential: "token",
    summary: "What was done, newest first; with Accept: application/x-ndjson a line for each entry",
    query: shapes.timelineQuery,
    responses: { 200: { description: "A page", schema: shapes.timelinePage }, ...refusals },
    handle: ({ query }, { raw }, { engine }) => {
      const asked = toQuery(query);
      if (raw.headers.get("accept")?.includes(JSONL) === true)
        return exported(engine.timeline, asked, asked.limit);
      const entries = engine.timeline.list(asked);
      const isLast = entries.length < asked.limit;
      return {
        status: 200,
        body: {
          entries: entries.map(describe),
          next_cursor: isLast ? null : (entries.at(-1)?.sequence ?? null),
        },
      };
    },
  }),

  route({
    method: "GET",
    path: "/timeline/export",
    credential: "token",
    summary: "All of it that a filter leaves, newest first, as a line of JSON for each entry",
    query: shapes.exportQuery,
    responses: { 200: { description: "JSON lines" }, ...refusals },
    handle: ({ query }, _, { engine }) => exported(engine.timeline, toQuery({ ...query, limit: PAGE })),
  }),

  route({
    method: "GET",
    path: "/timeline/stream",
    credential: "ticket",
    summary: "What is done, as it happens: as server-sent events, or over a WebSocket",
    query: shapes.streamQuery,
    responses: {
      200: { description: "Events whose id is a revision; Last-Event-ID goes on from one" },
      101: { description: "A message for each entry, as in the events" },
      ...refusals,
    },
    handle: ({ query }, { raw }, { engine }) => {
      const last = Number(raw.headers.get("last-event-id") ?? NaN);
      const after = query.after ?? (Number.isInteger(last) ? last : engine.timeline.revision);
      return isHandshake(raw)
        ? overSocket(engine.timeline, after, query.kind)
        : asEvents(engine.timeline, after, query.kind, raw.signal);
    },
  }),
];

function exported(timeline: Timeline, query: TimelineQuery, most = Infinity): Response {
  const pages = (function* () {
    const encoder = new TextEncoder();
    let left = most;
    let before = query.before;
    for (;;) {
      const entries = timeline.list({ ...query, before, limit: Math.min(PAGE, left) });
      if (entries.length > 0)
        yield encoder.encode(entries.map((one) => `${toLine(describe(one))}\n`).join(""));
      left -= entries.length;
      before = entries.at(-1)?.sequence;
      if (entries.length < PAGE || left <= 0) return;
    }
  })();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = pages.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
    },
    { highWaterMark: 0 },
  );
  const name = 'attachment; filename="timeline.jsonl"';
  return new Response(body, { headers: { "Content-Type": JSONL, "Content-Disposition": name } });
}

function asEvents(
  timeline: Timeline,
  after: number,
  kinds: readonly TimelineKind[],
  signal: AbortSignal,
): Response {
  const gone = new AbortController();
  const frames = (async function* () {
    const all = AbortSignal.any([signal, gone.signal]);
    // The answer's head is sent with its first bytes.
    yield ": open\n\n";
    for await (const batch of timeline.follow(after, all)) {
      const text = ofKinds(batch, kinds).map((one) => toFrame(toLine(describe(one)), String(one.revision)));
      if (text.length > 0) yield text.join("");
    }
  })();
  return eventStream(frames, { ping: () => ": ping\n\n", ended: () => gone.abort() });
}

function overSocket(timeline: Timeline, after: number, kinds: readonly TimelineKind[]): Upgrade {
  return new Upgrade(async (socket) => {
    for await (const batch of timeline.follow(after, socket.signal))
      for (const one of ofKinds(batch, kinds)) if (!(await socket.send(toLine(describe(one))))) return;
  });
}

function ofKinds(entries: readonly RecordedEntry[], kinds: readonly TimelineKind[]): RecordedEntry[] {
  return entries.filter(({ kind }) => kinds.length === 0 || kinds.includes(kind));
}

interface Asked {
  readonly kind: readonly TimelineKind[];
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly cursor?: number | undefined;
  readonly limit: number;
}

function toQuery({ kind, cursor, ...rest }: Asked): TimelineQuery {
  return { ...rest, kinds: kind, before: cursor };
}

function describe({ startedAt, durationMs, end, sizes, origin, traceId, ...entry }: RecordedEntry) {
  const { exitCode, ...told } = end ?? {};
  return {
    ...entry,
    time: new Date(startedAt).toISOString(),
    duration_ms: durationMs ?? null,
    end: end ? { ...told, exit_code: exitCode } : null,
    bytes: sizes ?? {},
    api: origin?.api,
    caller: origin?.caller,
    client: origin?.client,
    request_id: origin?.requestId,
    trace_id: traceId,
  };
}
