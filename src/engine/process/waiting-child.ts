import type { PreparedChild } from "./process-run.ts";

/** A message of a socket must fit into its buffer, which is larger than this everywhere. */
const LARGEST_JOB_BYTES = 96 * 1024;

/** What a process that waits is told to become: fields without NUL bytes, in the order that its program expects. */
export type Job = readonly string[];

/** A process that waits for its job, enclosed by itself. */
export interface WaitingChild {
  /** Whether it has neither ended nor been given its job. */
  readonly isWaiting: boolean;
  /** Settles when it has ended, used or not. */
  readonly ended: Promise<void>;
  /** Turns it into the first process of a run. Once only. */
  prepare(job: Job): PreparedChild;
  /** Ends it unused. */
  discard(): void;
}

/** Whether a job fits into one message. */
export function fitsJob(job: Job): boolean {
  return job.reduce((bytes, field) => bytes + Buffer.byteLength(field) + 1, 0) <= LARGEST_JOB_BYTES;
}

export function encodeJob(job: Job): Uint8Array {
  return new TextEncoder().encode(job.join("\0"));
}
