import { ByteLog } from "../process/byte-log.ts";
import { openUnlinked } from "../process/journal.ts";
import type { TerminalSize } from "../process/libc.ts";
import { Utf8Text } from "./utf8-text.ts";

export interface RecordingOptions {
  /** The recording ends at this size, with a marker that says so. */
  readonly mostBytes: number;
  /** The daemon's own folder for what does not fit in memory. */
  readonly directory: string;
  readonly onFault: (cause: unknown) => void;
}

/** asciinema's file format, version 2: a header and one event a line. Media type of the whole. */
export const RECORDING_TYPE = "application/x-asciicast";
const MEMORY_BYTES = 256 * 1024;
const READ_BYTES = 256 * 1024;
const encoder = new TextEncoder();

/**
 * What a session showed, with the time of each piece, as asciinema plays it. What was typed is not in it: it may
 * be a password.
 */
export class Recording implements AsyncDisposable {
  readonly startedAt = new Date();
  readonly #startedMs = performance.now();
  readonly #log: ByteLog;
  readonly #mostBytes: number;
  readonly #text = new Utf8Text(true);
  #state: "recording" | "full" | "stopped" = "recording";

  constructor(size: TerminalSize, env: Readonly<Record<string, string>>, options: RecordingOptions) {
    this.#mostBytes = options.mostBytes;
    this.#log = new ByteLog({
      memoryBytes: MEMORY_BYTES,
      // Nothing is dropped: writing stops before.
      retainBytes: options.mostBytes,
      openFile: () => openUnlinked(options.directory),
      onFault: options.onFault,
    });
    const timestamp = Math.floor(this.startedAt.getTime() / 1000);
    void this.#write({ version: 2, width: size.cols, height: size.rows, timestamp, env });
  }

  get state(): "recording" | "full" | "stopped" {
    return this.#state;
  }

  get bytes(): number {
    return this.#log.end;
  }

  /** Adds what the program printed. A promise asks for a pause: the disk is slow. */
  output(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#state !== "recording") return undefined;
    const text = this.#text.add(bytes);
    return text === "" ? undefined : this.#add("o", text);
  }

  resized({ cols, rows }: TerminalSize): void {
    void this.#add("r", `${cols}x${rows}`);
  }

  /** Nothing is added any more; what there is can be read. */
  stop(): void {
    if (this.#state !== "recording") return;
    const rest = this.#text.flush();
    if (rest !== "") void this.#add("o", rest);
    this.#end("stopped");
  }

  /** The file as it is now. */
  async *read(): AsyncGenerator<Uint8Array, void> {
    const end = this.#log.end;
    for (let at = 0; at < end;) {
      const { bytes } = await this.#log.read(at, Math.min(READ_BYTES, end - at));
      if (bytes.byteLength === 0) return;
      yield bytes;
      at += bytes.byteLength;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#log.close();
  }

  #end(state: "full" | "stopped"): void {
    if (this.#state === "recording") this.#state = state;
  }

  #add(kind: "o" | "r" | "m", data: string): Promise<void> | undefined {
    if (this.#state !== "recording") return undefined;
    const seconds = Number(((performance.now() - this.#startedMs) / 1000).toFixed(6));
    return this.#write([seconds, kind, data]);
  }

  #write(line: unknown): Promise<void> | undefined {
    const bytes = encoder.encode(`${JSON.stringify(line)}\n`);
    if (this.#log.end + bytes.byteLength <= this.#mostBytes - FULL_LINE_BYTES) return this.#log.append(bytes);
    const seconds = Number(((performance.now() - this.#startedMs) / 1000).toFixed(6));
    this.#end("full");
    return this.#log.append(encoder.encode(`${JSON.stringify([seconds, "m", "recording full"])}\n`));
  }
}

/** Room that is kept for the last line. */
const FULL_LINE_BYTES = 64;
