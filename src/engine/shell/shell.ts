import { closeSync } from "node:fs";
import { createOutputPipe } from "../process/libc.ts";
import { PipeReader } from "../process/pipe-reader.ts";
import type { ProcessRun, ProcessRunSpec } from "../process/process-run.ts";
import type { RunOutcome, Stream } from "../run.ts";

/** What a shell says of itself on its own descriptor: a word, the number of a command, and a status. */
export interface ShellReport {
  readonly word: "ready" | "done" | "kept";
  readonly sequence: number;
  readonly status: number;
}

/** What a shell needs of its process. */
export type ShellProcess = Pick<
  ProcessRun,
  "pid" | "hasEnded" | "outcome" | "stdin" | "signal" | "drained" | "destroy"
>;

export interface ShellStart {
  /** Starts the process; the spec is complete but for its place. */
  readonly start: (
    spec: Pick<ProcessRunSpec, "argv" | "stdin" | "descriptors" | "onOutput">,
  ) => Promise<ShellProcess>;
  readonly program: string;
  readonly onOutput: (stream: Stream, bytes: Uint8Array) => Promise<void> | undefined;
  readonly onReport: (report: ShellReport) => void;
}

/** More without an end of line is no report of ours. */
const LONGEST_REPORT = 4096;

/** One living bash that takes lines on a pipe of its own and reports on another. */
export class Shell implements AsyncDisposable {
  readonly #process: ShellProcess;
  readonly #reports: PipeReader;

  private constructor(process: ShellProcess, reports: PipeReader) {
    this.#process = process;
    this.#reports = reports;
  }

  /** @throws EngineError as `RunTable.startService`. */
  static async start({ start, program, onOutput, onReport }: ShellStart): Promise<Shell> {
    const pipe = createOutputPipe();
    let process: ShellProcess;
    try {
      process = await start({
        // Without line editing, which reads byte by byte and drops what it has read at an interrupt.
        argv: [program, "--norc", "--noprofile", "--noediting", "-i"],
        stdin: { open: new Uint8Array(0) },
        descriptors: [pipe.writeFd],
        onOutput,
      });
    } catch (error) {
      closeSync(pipe.readFd);
      throw error;
    } finally {
      closeSync(pipe.writeFd);
    }
    return new Shell(process, new PipeReader(pipe.readFd, listener(onReport)));
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#process.hasEnded;
  }

  /** Settles when the shell itself has ended, with everything printed by then delivered. */
  get ended(): Promise<RunOutcome> {
    return this.#process.outcome;
  }

  /** @throws EngineError `conflict` when it has ended, `busy` when it does not read. */
  say(...lines: readonly string[]): void {
    this.#process.stdin?.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
  }

  /** To the shell and everything it started. */
  signal(signal: NodeJS.Signals): void {
    this.#process.signal(signal);
  }

  /** Settles when everything printed before this call has been delivered. */
  drained(): Promise<void> {
    return this.#process.drained();
  }

  /** An interactive shell does not heed SIGTERM, so it is not asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.signal("SIGKILL");
    await this.#process.destroy();
    await this.#reports.close();
  }
}

function listener(onReport: (report: ShellReport) => void): (bytes: Uint8Array) => undefined {
  let text = "";
  return (bytes) => {
    const lines = (text + Buffer.from(bytes).toString()).split("\n");
    text = (lines.pop() ?? "").slice(0, LONGEST_REPORT);
    for (const line of lines) {
      const [, word, sequence, status] = /^(ready|done|kept) (\d{1,15}) (\d{1,3})$/.exec(line) ?? [];
      // The pattern allows these words only.
      if (word !== undefined)
        onReport({ word: word as ShellReport["word"], sequence: Number(sequence), status: Number(status) });
    }
  };
}
