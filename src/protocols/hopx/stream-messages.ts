import {
  describeEnd,
  exitCode,
  type RichEvent,
  type RunEnd,
  type RunEvent,
  type RunOutcome,
  type Stream,
} from "../../engine/run.ts";
import { wholeCharacters } from "./background-output.ts";
import { describeUsage, timeoutText } from "./result.ts";
import type { Encoding } from "./stream-schema.ts";

/**
 * Bytes in one message. A client library takes at most 1 MiB of JSON, and a control character takes six bytes of
 * it (contracts/hopx-agent.md, 12.1).
 */
const PIECE_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

type OutputEvent = Extract<RunEvent, { type: "output" }>;

/** Turns what one run tells into messages (contracts/hopx-agent.md, 12.3), for one reader. */
export class StreamMessages {
  readonly #runId: string;
  readonly #encoding: Encoding;
  readonly #kind: "code" | "command";
  /** The beginning of a character whose rest has not come yet, of each stream. */
  readonly #held: Record<Stream, Uint8Array> = { stdout: NOTHING, stderr: NOTHING };
  readonly #ends: Record<Stream, number> = { stdout: 0, stderr: 0 };
  #hasFailed = false;

  constructor(runId: string, encoding: Encoding, kind: "code" | "command") {
    this.#runId = runId;
    this.#encoding = encoding;
    this.#kind = kind;
  }

  /** The messages of an event, in order; none for a part of a character. */
  *of(event: Exclude<RunEvent, { type: "ended" }>): Generator<object, void> {
    switch (event.type) {
      case "started":
        yield this.#message("started", { pid: event.pid });
        return;
      case "output":
        yield* this.#output(event);
        return;
      case "dropped":
        yield* this.#rest(event.stream);
        yield this.#message("dropped", { stream: event.stream, offset: event.offset, length: event.length });
        return;
      case "failed":
        this.#hasFailed = true;
        yield this.#error(`${event.name}: ${event.message}`, "EXECUTION_FAILED", {
          name: event.name,
          traceback: event.traceback,
          index: event.index,
        });
        return;
      case "input_request":
        yield this.#message("input_request", {
          prompt: event.prompt,
          password: event.isPassword,
          index: event.index,
        });
        return;
      case "display":
      case "display_update":
      case "result":
      case "clear":
        yield this.#rich(event);
    }
  }

  /** What is said about the end, but for the final message. */
  *end({ end, usage, durationMs }: RunOutcome): Generator<object, void> {
    yield* this.#rest("stdout");
    yield* this.#rest("stderr");
    const failure = this.#failure(end);
    if (failure) yield failure;
    yield this.#message("result", {
      exit_code: exitCode(end),
      execution_time: Math.round(durationMs) / 1000,
      end: {
        cause: end.cause,
        description: describeEnd(end),
        ...(end.cause === "signalled" ? { signal: end.signal } : {}),
      },
      usage: describeUsage(usage),
    });
  }

  /** The message that every client stops at. */
  complete({ end }: RunOutcome): object {
    return this.#message("complete", { success: exitCode(end) === 0 });
  }

  *#output({ stream, offset, bytes: fresh }: OutputEvent): Generator<object, void> {
    const held = this.#held[stream];
    let bytes = held.byteLength === 0 ? fresh : Buffer.concat([held, fresh]);
    let at = offset - held.byteLength;
    this.#held[stream] = NOTHING;
    this.#ends[stream] = offset + fresh.byteLength;
    while (bytes.byteLength > 0) {
      const piece = bytes.subarray(0, PIECE_BYTES);
      const whole = this.#encoding === "utf8" ? wholeCharacters(piece) : piece;
      if (whole.byteLength === 0) {
        // At most three bytes, of their own: the chunk they came in may be large.
        this.#held[stream] = bytes.slice();
        return;
      }
      yield this.#text(stream, at, whole);
      at += whole.byteLength;
      bytes = bytes.subarray(whole.byteLength);
    }
  }

  /** What can be no character any more is told as it is. */
  *#rest(stream: Stream): Generator<object, void> {
    const held = this.#held[stream];
    this.#held[stream] = NOTHING;
    if (held.byteLength > 0) yield this.#text(stream, this.#ends[stream] - held.byteLength, held);
  }

  #text(stream: Stream, offset: number, bytes: Uint8Array): object {
    // Invalid bytes become U+FFFD; a byte order mark is output like any other.
    const isText = this.#encoding === "utf8";
    const data = isText ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) : bytes.toBase64();
    return this.#message(stream, { data, offset, length: bytes.byteLength });
  }

  #rich(event: Exclude<RichEvent, { type: "failed" | "input_request" }>): object {
    const { type: kind, index } = event;
    if (kind === "clear") return this.#message("rich", { kind, index, wait: event.wait });
    const shown =
      "displayId" in event && event.displayId !== undefined ? { display_id: event.displayId } : {};
    const count = kind === "result" ? { execution_count: event.count } : {};
    return this.#message("rich", { kind, index, data: event.data, ...shown, ...count });
  }

  /** Beside an exit code, what a client is told of an end that is not the program's own. */
  #failure(end: RunEnd): object | undefined {
    if (this.#hasFailed || end.cause === "exited" || end.cause === "signalled") return undefined;
    if (end.cause === "timed_out")
      return this.#error(
        timeoutText(this.#kind === "code" ? "Execution" : "Command", end.afterMs),
        "EXECUTION_TIMEOUT",
        {},
      );
    return this.#error(describeEnd(end), "EXECUTION_FAILED", {});
  }

  #error(text: string, code: string, fields: object): object {
    return this.#message("error", { error: text, message: text, code, ...fields });
  }

  #message(type: string, fields: object): object {
    return { type, ...fields, run_id: this.#runId, timestamp: new Date().toISOString() };
  }
}
