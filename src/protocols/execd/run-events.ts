import type { MimeBundle, RichEvent, Run, RunEnd, RunEvent, Stream } from "../../engine/run.ts";
import { toFrame } from "../../http/event-stream.ts";
import { completeEvent, errorEvent, event, textEvent, type ErrorFacts } from "./frames.ts";
import { LineTeller, VerbatimTeller, type Piece, type TextTeller } from "./lines.ts";
import { cursorOf, writePosition, type StreamPosition } from "./stream-position.ts";

/** How a route tells its runs. */
export interface TellStyle {
  /** Text of the first event: what the client may interrupt. */
  readonly init: string;
  /** Output by lines, or as it comes. */
  readonly text: "lines" | "verbatim";
  /** The error of a run that ended so; undefined for a success. */
  errorOf(end: RunEnd): ErrorFacts | undefined;
}

/** Frames are handed on in batches of about this many characters, so that many short lines cost one write. */
const BATCH_CHARACTERS = 64 * 1024;

/**
 * Tells a run from a position on as frames: the first event, what it tells as it happens, and exactly one final
 * event. What is told after a cut is byte for byte what would have been told without it.
 */
export async function* tellRun(
  run: Run,
  style: TellStyle,
  from: StreamPosition,
): AsyncGenerator<string, void> {
  if (from.ended) return;
  const telling = new Telling(style, from);
  if (!from.begun) yield telling.frame(textEvent("init", style.init));
  for await (const told of run.events(cursorOf(from))) {
    if (told.type === "ended") {
      const { durationMs } = await run.outcome;
      yield* batched(telling.end(told.end, durationMs));
    } else yield* batched(telling.tell(told));
  }
}

function* batched(frames: Iterable<string>): Generator<string, void> {
  let batch = "";
  for (const frame of frames) {
    batch += frame;
    if (batch.length < BATCH_CHARACTERS) continue;
    yield batch;
    batch = "";
  }
  if (batch !== "") yield batch;
}

/** One client's place in the stream of a run, moved on with every frame. */
class Telling {
  readonly #style: TellStyle;
  readonly #tellers: Readonly<Record<Stream, TextTeller>>;
  #position: StreamPosition;
  #failure: ErrorFacts | undefined;

  constructor(style: TellStyle, from: StreamPosition) {
    this.#style = style;
    const Teller = style.text === "lines" ? LineTeller : VerbatimTeller;
    this.#tellers = { stdout: new Teller(from.stdout), stderr: new Teller(from.stderr) };
    this.#position = from;
  }

  frame(json: string, change: Partial<StreamPosition> = {}): string {
    this.#position = { ...this.#position, ...change, begun: true };
    return toFrame(json, writePosition(this.#position));
  }

  *tell(told: Exclude<RunEvent, { type: "ended" }>): Generator<string, void> {
    switch (told.type) {
      case "started":
        return;
      case "output":
        for (const piece of this.#tellers[told.stream].push(told.bytes))
          yield this.#piece(told.stream, piece);
        return;
      case "dropped":
        this.#tellers[told.stream].skip(told.length);
        yield this.frame(textEvent("status", `${told.length} bytes of ${told.stream} are no longer kept`), {
          [told.stream]: this.#tellers[told.stream].position,
        });
        return;
      case "result":
      case "display":
      case "display_update":
      case "clear":
      case "input_request":
      case "failed":
        yield* this.#rich(told);
    }
  }

  *end(end: RunEnd, durationMs: number): Generator<string, void> {
    for (const stream of ["stdout", "stderr"] as const)
      for (const piece of this.#tellers[stream].flush()) yield this.#piece(stream, piece);
    const error = this.#failure ?? this.#style.errorOf(end);
    const last = error ? errorEvent(error) : completeEvent(durationMs);
    yield this.frame(last, { ended: true });
  }

  #piece(stream: Stream, { text, position }: Piece): string {
    return this.frame(textEvent(stream, text), { [stream]: position });
  }

  *#rich(told: RichEvent): Generator<string, void> {
    if (told.type === "failed")
      this.#failure = { ename: told.name, evalue: told.message, traceback: told.traceback };
    // Read again only for the error that is told at the end.
    if (told.index < this.#position.rich) return;
    const frames = richFrames(told);
    const failed = told.type === "failed" ? told.index : this.#position.failed;
    for (let part = this.#position.part; part < frames.length - 1; part++)
      yield this.frame(frames[part] ?? "", { part: part + 1 });
    yield this.frame(frames.at(-1) ?? "", { rich: told.index + 1, part: 0, failed });
  }
}

/** The events that tell of one, at least one; clients pass over types they do not know. */
function richFrames(told: RichEvent): readonly string[] {
  switch (told.type) {
    case "result": {
      const result = event("result", { results: named(told.data) });
      return told.count > 0 ? [event("execution_count", { execution_count: told.count }), result] : [result];
    }
    case "display":
      return [event("result", { results: named(told.data), display: true, display_id: told.displayId })];
    case "display_update":
      return [event("display_update", { results: named(told.data), display_id: told.displayId })];
    case "clear":
      return [event("clear_output", { wait: told.wait })];
    case "input_request":
      return [event("input_request", { text: told.prompt, password: told.isPassword })];
    case "failed":
      return [textEvent("status", "error")];
  }
}

/** The clients look for the plain text under another name than its MIME type (2.3). */
function named(data: MimeBundle): MimeBundle {
  return Object.fromEntries(
    Object.entries(data).map(([type, value]) => [type === "text/plain" ? "text" : type, value]),
  );
}
