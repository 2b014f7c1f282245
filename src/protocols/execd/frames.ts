import { describeEnd, exitCode, type RunEnd, type Stream } from "../../engine/run.ts";
import { toLine } from "../../http/event-stream.ts";

/** The events of a stream as JSON on one line each (contracts/opensandbox-execd.md, 2.2). */
export interface ErrorFacts {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

export function textEvent(type: "init" | "status" | "ping" | Stream, text: string): string {
  // Written out: it is made for every line of output.
  return `{"type":"${type}","text":${toLine(text)},"timestamp":${Date.now()}}`;
}

export function event(type: string, members: object): string {
  return toLine({ type, ...members, timestamp: Date.now() });
}

export function errorEvent(error: ErrorFacts): string {
  return event("error", { error });
}

export function completeEvent(durationMs: number): string {
  return event("execution_complete", { execution_time: Math.round(durationMs) });
}

/** As the reference server, written in Go, names them. */
const SIGNAL_TEXTS: Readonly<Record<string, string>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGILL: "illegal instruction",
  SIGTRAP: "trace/breakpoint trap",
  SIGABRT: "aborted",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGKILL: "killed",
  SIGUSR1: "user defined signal 1",
  SIGSEGV: "segmentation fault",
  SIGUSR2: "user defined signal 2",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
};

/**
 * The exit code that clients are told: the program's own, 127 or 126 where it could not be started, -1 where
 * something ended it (5.5).
 */
export function toldCode(end: RunEnd): number {
  return end.cause === "exited" || end.cause === "could_not_start" ? exitCode(end) : -1;
}

/** What went wrong, for `error` of a status and for the traceback; undefined after a success. */
export function describeFailure(end: RunEnd): string | undefined {
  switch (end.cause) {
    case "exited":
      return end.code === 0 ? undefined : `exit status ${end.code}`;
    case "signalled":
      return `signal: ${SIGNAL_TEXTS[end.signal] ?? end.signal}`;
    case "timed_out":
    case "out_of_memory":
      return `signal: killed (${describeEnd(end)})`;
    case "cancelled":
      return `signal: terminated (${describeEnd(end)})`;
    case "could_not_start":
      return end.message;
    case "lost":
      return describeEnd(end);
  }
}

/** The error of a command that did not succeed; the clients read `evalue` as its exit code. */
export function commandError(end: RunEnd): ErrorFacts | undefined {
  const failure = describeFailure(end);
  return failure === undefined
    ? undefined
    : { ename: "CommandExecError", evalue: String(toldCode(end)), traceback: [failure] };
}

const KERNEL_ERRORS: Readonly<Record<RunEnd["cause"], string>> = {
  exited: "KernelDied",
  signalled: "KernelDied",
  timed_out: "ExecutionTimeout",
  cancelled: "ExecutionInterrupted",
  out_of_memory: "OutOfMemory",
  could_not_start: "KernelNotStarted",
  lost: "KernelDied",
};

/** The error of a cell that ended without one of its own: something ended it, or its kernel. */
export function cellError(end: RunEnd): ErrorFacts | undefined {
  if (end.cause === "exited" && end.code === 0) return undefined;
  const text = describeEnd(end);
  return { ename: KERNEL_ERRORS[end.cause], evalue: text, traceback: [text] };
}
