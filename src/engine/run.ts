import { constants } from "node:os";

/**
 * The vocabulary of anything that executes. Scripts, commands, kernels, shells and terminals all yield
 * `RunEvent`s and finish with exactly one `RunEnd`; the protocols translate these and add no logic.
 */

declare const brand: unique symbol;
/** Names one run. Made only by `newRunId`. */
export type RunId = string & { readonly [brand]: "RunId" };

export function newRunId(): RunId {
  return `run_${Bun.randomUUIDv7().replaceAll("-", "")}` as RunId;
}

export const STREAMS = ["stdout", "stderr"] as const;
export type Stream = (typeof STREAMS)[number];

/** Who or what asked a run to stop before its own end. */
export type CancelReason = "requested" | "client_gone" | "shutdown" | "output_limit";

/** How a run ended. Exactly one per run, and never inferred from silence. */
export type RunEnd =
  | { readonly cause: "exited"; readonly code: number }
  | { readonly cause: "signalled"; readonly signal: SignalName }
  | { readonly cause: "timed_out"; readonly afterMs: number }
  | { readonly cause: "cancelled"; readonly reason: CancelReason }
  | { readonly cause: "out_of_memory"; readonly limitBytes: number | null }
  | { readonly cause: "could_not_start"; readonly reason: StartFailure; readonly message: string }
  | { readonly cause: "lost"; readonly message: string };

export type StartFailure = "program_not_found" | "not_executable" | "directory_not_found" | "other";
export type SignalName = NodeJS.Signals;

/** What a run used. `null` where the machine offers no way to tell. */
export interface RunUsage {
  /**
   * Highest memory of the whole tree (cgroup), or of its largest process (no cgroup). Of a run in a kernel: of the
   * kernel's tree, or of the kernel itself (no cgroup), from the run's beginning to its end.
   */
  readonly peakMemoryBytes: number | null;
  /** User plus system time of the whole tree. */
  readonly cpuSeconds: number | null;
  /** Most processes and threads alive at once; of a run in a kernel only where it had more than every earlier one. */
  readonly peakProcesses: number | null;
  /** Processes of this run that the kernel killed for want of memory. */
  readonly oomKills: number;
}

/** How a run ended, with what it took. */
export interface RunOutcome {
  readonly end: RunEnd;
  readonly usage: RunUsage;
  /** From the start of the process to its end, in milliseconds. */
  readonly durationMs: number;
  /** Bytes each stream had carried at the end; what survivors print later is not in these. */
  readonly totals: Readonly<Record<Stream, number>>;
}

/** Values by MIME type, as the Jupyter protocol names them. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/**
 * What a run tells, in order. Bytes are counted a stream (`offset`), everything else from 0 on (`index`): both
 * together are a `Cursor`, from which any reader can continue exactly where it stopped.
 */
export type RunEvent =
  /** `pid`: of the run's first process, or of the kernel that executes it. */
  | { readonly type: "started"; readonly id: RunId; readonly pid: number }
  | { readonly type: "output"; readonly stream: Stream; readonly offset: number; readonly bytes: Uint8Array }
  /** The journal no longer holds these bytes: the reader came too late for the retention policy. */
  | { readonly type: "dropped"; readonly stream: Stream; readonly offset: number; readonly length: number }
  | RichEvent
  | { readonly type: "ended"; readonly end: RunEnd; readonly usage: RunUsage };

/** What kernels tell beside bytes; programs tell none of it. */
export type RichEvent = { readonly index: number } & (
  | { readonly type: "display"; readonly data: MimeBundle; readonly displayId?: string | undefined }
  /** Replaces what was shown under this id. */
  | { readonly type: "display_update"; readonly data: MimeBundle; readonly displayId: string }
  /** Takes back what was shown so far; `wait`: when the next output comes. */
  | { readonly type: "clear"; readonly wait: boolean }
  | { readonly type: "result"; readonly data: MimeBundle; readonly count: number }
  /** The program asks for a line of input; it waits until there is one. */
  | { readonly type: "input_request"; readonly prompt: string; readonly isPassword: boolean }
  /** The user's own error, such as an exception in a cell; not a fault of ours. */
  | {
      readonly type: "failed";
      readonly name: string;
      readonly message: string;
      readonly traceback: readonly string[];
    }
);

/** Where a reader stands: bytes a stream, and events that are not bytes. */
export type Cursor = Readonly<Record<Stream, number>> & { readonly rich?: number };

/** Anything that executes, as the protocols see it: a program, a command, a cell of a kernel. */
export interface Run extends AsyncDisposable {
  readonly id: RunId;
  readonly startedAt: Date;
  /** Settles exactly once, with how the run ended; never rejects. */
  readonly outcome: Promise<RunOutcome>;
  readonly hasEnded: boolean;
  /** Everything from `from` on, as it happens, up to and including the end; any number of readers. */
  events(from?: Cursor): AsyncGenerator<RunEvent, void>;
  /** Stops it; the first reason given is the one told. Settles with the true end. */
  cancel(reason: CancelReason): Promise<RunOutcome>;
}

/** The number of a signal; real-time signals count from 34, as bash names them. */
export function signalNumber(signal: SignalName): number {
  const known: Readonly<Record<string, number>> = constants.signals;
  return known[signal] ?? 34 + Number(signal.split("+")[1] ?? 0);
}

/**
 * The number a POSIX shell would report for this end: the code itself, 128 + signal, 124 after a timeout (as
 * coreutils' `timeout`), 137 out of memory (as SIGKILL), 127 or 126 when the program could not be started.
 */
export function exitCode(end: RunEnd): number {
  switch (end.cause) {
    case "exited":
      return end.code;
    case "signalled":
      return 128 + signalNumber(end.signal);
    case "timed_out":
      return 124;
    case "cancelled":
      return 130;
    case "out_of_memory":
      return 137;
    case "could_not_start":
      return end.reason === "program_not_found" ? 127 : 126;
    case "lost":
      return 255;
  }
}

/** One sentence for a person, without a full stop. */
export function describeEnd(end: RunEnd): string {
  switch (end.cause) {
    case "exited":
      return `exited with code ${end.code}`;
    case "signalled":
      return `killed by ${end.signal}`;
    case "timed_out":
      return `timed out after ${end.afterMs / 1000} s`;
    case "cancelled":
      return `cancelled (${end.reason.replace("_", " ")})`;
    case "out_of_memory":
      return end.limitBytes === null
        ? "killed by the kernel: the machine ran out of memory"
        : `killed by the kernel: memory limit of ${end.limitBytes} bytes exceeded`;
    case "could_not_start":
      return `could not start: ${end.message}`;
    case "lost":
      return `lost: ${end.message}`;
  }
}
