import type { Origin } from "../../lib/origin.ts";
import type { RunKind } from "../activity.ts";
import type { RunEnd, SignalName } from "../run.ts";

/** What is recorded: every kind of run, and what is done through the APIs without one. */
export const TIMELINE_KINDS = [
  "code",
  "command",
  "background",
  "session",
  "context",
  "terminal",
  "isolated",
  "sql",
  "search",
  "file",
  "desktop",
  "environment",
  "process",
] as const satisfies readonly (RunKind | ActionKind)[];

export type ActionKind = "file" | "desktop" | "environment" | "process";
export type TimelineKind = RunKind | ActionKind;

/** How something ended: as `RunEnd`, or for an action whether it could be done. */
export interface TimelineEnd {
  /** `unknown`: the daemon was ended before it. */
  readonly cause: RunEnd["cause"] | "done" | "refused" | "unknown";
  readonly exitCode?: number;
  readonly signal?: SignalName;
  /** Of the answer to an action. */
  readonly status?: number;
}

/** Bytes; never what they were. */
export interface TimelineSizes {
  readonly input?: number | undefined;
  readonly stdout?: number;
  readonly stderr?: number;
}

/** One thing that was done. Never code, commands, variables, output, typed text or contents of files. */
export interface TimelineEntry {
  /** A run's own id, or one of the record's. */
  readonly id: string;
  readonly kind: TimelineKind;
  /** What was done: `run`, or for example `write`. */
  readonly action: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Undefined while it is under way. */
  readonly durationMs?: number;
  readonly end?: TimelineEnd;
  readonly language?: string | undefined;
  /** Files concerned, at most a few. */
  readonly paths?: readonly string[];
  readonly sizes?: TimelineSizes;
  readonly origin?: Omit<Origin, "trace"> | undefined;
  readonly traceId?: string | undefined;
}

/** As it is kept. */
export interface RecordedEntry extends TimelineEntry {
  /** Grows with every entry: its place in the record. */
  readonly sequence: number;
  /** Grows with every entry and every change of one: where a live reader stands. */
  readonly revision: number;
}
