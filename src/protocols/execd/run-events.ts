import {
  STREAMS,
  type MimeBundle,
  type RichEvent,
  type Run,
  type RunEnd,
  type RunEvent,
  type Stream,
} from "../../engine/run.ts";
import { toFrame } from "../../http/event-stream.ts";
import { FrameBatch } from "./frame-batch.ts";
import { completeEvent, errorEvent, event, textEvent, type ErrorFacts } from "./frames.ts";
import { LineTeller, VerbatimTeller } from "./lines.ts";
import type { TextTeller } from "./pieces.ts";
import { cursorOf, writePosition, type StreamPosition } from "./stream-position.ts";
import { TextFrames } from "./text-frames.ts";

/** How a route tells its runs. */
export interface TellStyle {
  /** Text of the first event: what the client may interrupt. */
  readonly init: string;
  /** Output by lines, or as it comes. */
  readonly text: "lines" | "verbatim";
  /** The error of a run that ended so; undefined for a success. */
  errorOf(end: RunEnd): ErrorFacts | undefined;
}

/**
 * Tells a run from a position on as frames: the first event, what it tells as it happens, and exactly one final
 * event. What is told after a cut is byte for byte what would have been told without it.
 */
export async function* tellRun(
  run: Run,
  style: TellStyle,
  from: StreamPosition,
): AsyncGenerator<Uint8Array, void> {
  if (from.ended) return;
  const telling = new Telling(style, from);
  if (!from.begun) yield telling.begin();
  for await (const told of run.events(cursorOf(from))) {
    if (told.type === "output") yield* telling.output(told);
    else if (told.type !== "ended") yield* telling.tell(told);
    else yield telling.end(told.end, (await run.outcome).durationMs);
  }
}

/** One client's place in the stream of a run, moved on with every frame. */
class Telling {
  readonly #style: TellStyle;
  readonly #tellers: Readonly<Record<Stream, TextTeller>>;
  readonly #batch = new FrameBatch();
  #position: StreamPosition;
  #failure: ErrorFacts | undefined;

  constructor(style: TellStyle, from: StreamPosition) {
    this.#style = style;
    const Teller = style.text === "lines" ? LineTeller : VerbatimTeller;
    this.#tellers = { stdout: new Teller(from.stdout), stderr: new Teller(from.stderr) };
    this.#position = from;
  }

  begin(): Uint8Array {
    this.#frame(textEvent("init", this.#style.init));
    return this.#batch.take();
  }

  *output({ stream, bytes }: Extract<RunEvent, { type: "output" }>): Generator<Uint8Array, void> {
    const teller = this.#tellers[stream];
    const frames = new TextFrames(this.#batch, this.#position, stream);
    for (let at = 0; at < bytes.byteLength;) {
      at += teller.push(bytes.subarray(at), frames);
      if (!this.#batch.isEmpty) yield this.#batch.take();
    }
    this.#moved(stream);
  }

  *tell(told: Exclude<RunEvent, { type: "ended" | "output" }>): Generator<Uint8Array, void> {
    switch (told.type) {
      case "started":
        return;
      case "dropped":
        this.#dropped(told);
        break;
      case "result":
      case "display":
      case "display_update":
      case "clear":
      case "input_request":
      case "failed":
        this.#rich(told);
    }
    if (!this.#batch.isEmpty) yield this.#batch.take();
  }

  end(end: RunEnd, durationMs: number): Uint8Array {
    for (const stream of STREAMS) {
      this.#tellers[stream].flush(new TextFrames(this.#batch, this.#position, stream));
      this.#moved(stream);
    }
    const error = this.#failure ?? this.#style.errorOf(end);
    this.#frame(error ? errorEvent(error) : completeEvent(durationMs), { ended: true });
    return this.#batch.take();
  }

  #frame(json: string, change: Partial<StreamPosition> = {}): void {
    this.#position = { ...this.#position, ...change, begun: true };
    this.#batch.add(toFrame(json, writePosition(this.#position)));
  }

  #moved(stream: Stream): void {
    this.#position = { ...this.#position, [stream]: this.#tellers[stream].position };
  }

  #dropped({ stream, length }: Extract<RunEvent, { type: "dropped" }>): void {
    this.#tellers[stream].skip(length);
    this.#frame(textEvent("status", `${length} bytes of ${stream} are no longer kept`), {
      [stream]: this.#tellers[stream].position,
    });
  }

  #rich(told: RichEvent): void {
    if (told.type === "failed")
      this.#failure = { ename: told.name, evalue: told.message, traceback: told.traceback };
    // Read again only for the error that is told at the end.
    if (told.index < this.#position.rich) return;
    const frames = richFrames(told);
    const failed = told.type === "failed" ? told.index : this.#position.failed;
    for (let part = this.#position.part; part < frames.length - 1; part++)
      this.#frame(frames[part] ?? "", { part: part + 1 });
    this.#frame(frames.at(-1) ?? "", { rich: told.index + 1, part: 0, failed });
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
