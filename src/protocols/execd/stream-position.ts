import type { Cursor, Stream } from "../../engine/run.ts";
import { HttpFault } from "../../http/fault.ts";
import { TEXT_START, type TextPosition } from "./pieces.ts";

/**
 * Where a client stands in the stream of one run, after any frame. Written as the frame's `id`, so that whoever
 * lost the connection goes on exactly there.
 */
export interface StreamPosition {
  /** The run, as 32 hexadecimal digits. */
  readonly run: string;
  readonly stdout: TextPosition;
  readonly stderr: TextPosition;
  /** Events told that are not bytes. */
  readonly rich: number;
  /** Of the next of them, frames already told. */
  readonly part: number;
  /** The event with the user's error, which is told at the end. */
  readonly failed: number | undefined;
  /** The first frame, `init`, has been told; the final one. */
  readonly begun: boolean;
  readonly ended: boolean;
}

export function startOf(run: string): StreamPosition {
  return {
    run,
    stdout: TEXT_START,
    stderr: TEXT_START,
    rich: 0,
    part: 0,
    failed: undefined,
    begun: false,
    ended: false,
  };
}

const STATES = { fresh: "", after_cr: "r", within: "w" } as const;

/** For example `0198…:120r.0.3`. */
export function writePosition(position: StreamPosition): string {
  const [before, after] = writeAround(position, "stdout");
  return before + writeOffset(position.stdout) + after;
}

/** What stands before and after one stream's part: the same for all lines that come in a row. */
export function writeAround(position: StreamPosition, stream: Stream): [before: string, after: string] {
  const { run, stdout, stderr, rich, part, failed, ended } = position;
  const more = `${part > 0 ? `p${part}` : ""}${failed === undefined ? "" : `f${failed}`}${ended ? "e" : ""}`;
  const rest = `.${rich}${more}`;
  return stream === "stdout"
    ? [`${run}:`, `.${writeOffset(stderr)}${rest}`]
    : [`${run}:${writeOffset(stdout)}.`, rest];
}

export function writeOffset({ offset, state }: TextPosition): string {
  return `${offset}${STATES[state]}`;
}

const FORM =
  /^([0-9a-f]{32}):(\d{1,15})([rw]?)\.(\d{1,15})([rw]?)\.(\d{1,15})(?:p(\d{1,3}))?(?:f(\d{1,15}))?(e?)$/;

/** @throws HttpFault `invalid_input` for what no frame of ours had as its id. */
export function readPosition(text: string): StreamPosition {
  const found = FORM.exec(text);
  if (!found)
    throw new HttpFault("invalid_input", `Last-Event-ID is not an id of this stream: ${text.slice(0, 80)}`);
  const [, run = "", out = "0", outState, err = "0", errState, rich = "0", part, failed, ended] = found;
  return {
    run,
    stdout: { offset: Number(out), state: stateOf(outState) },
    stderr: { offset: Number(err), state: stateOf(errState) },
    rich: Number(rich),
    part: Number(part ?? 0),
    failed: failed === undefined ? undefined : Number(failed),
    begun: true,
    ended: ended === "e",
  };
}

/** From where the run must be read to go on there. */
export function cursorOf(position: StreamPosition): Cursor {
  const bytes = (stream: Stream) => position[stream].offset;
  return {
    stdout: bytes("stdout"),
    stderr: bytes("stderr"),
    rich: Math.min(position.rich, position.failed ?? position.rich),
  };
}

function stateOf(letter: string | undefined): TextPosition["state"] {
  return letter === "r" ? "after_cr" : letter === "w" ? "within" : "fresh";
}
