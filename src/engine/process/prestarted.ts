import { closeSync, writeSync } from "node:fs";
import { newRunId } from "../run.ts";
import type { Containment, Enclosure } from "./containment.ts";
import { createPipe } from "./libc.ts";
import type { PreparedChild } from "./process-run.ts";
import { spawn, SpawnFailure, type Child, type SpawnSpec } from "./spawn.ts";
import { encodeJob, type Job, type WaitingChild } from "./waiting-child.ts";

/**
 * Starts a process that reads its job from descriptor 3, to its end, before it does anything. Its stdin is
 * /dev/null for good.
 * @throws SpawnFailure when it cannot be started.
 */
export function prestart(
  containment: Containment,
  spec: Pick<SpawnSpec, "argv" | "env" | "cwd" | "user">,
): WaitingChild {
  const enclosure = containment.open(newRunId(), {});
  const job = createPipe();
  try {
    const child = enclosure.launch((place) => spawn({ ...spec, ...place, descriptors: [job.readFd] }));
    return new PrestartedChild(child, enclosure, job.writeFd);
  } catch (error) {
    closeSync(job.writeFd);
    enclosure.release();
    throw error;
  } finally {
    closeSync(job.readFd);
  }
}

class PrestartedChild implements WaitingChild {
  readonly #child: Child;
  readonly #enclosure: Enclosure;
  readonly #job: number;
  readonly ended: Promise<void>;
  #isTaken = false;
  #hasExited = false;

  constructor(child: Child, enclosure: Enclosure, job: number) {
    this.#child = child;
    this.#enclosure = enclosure;
    this.#job = job;
    this.ended = child.exited.then(() => void (this.#hasExited = true));
  }

  get isWaiting(): boolean {
    return !this.#isTaken && !this.#hasExited;
  }

  prepare(job: Job): PreparedChild {
    return { enclosure: this.#enclosure, begin: () => this.#begin(job) };
  }

  discard(): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    closeSync(this.#job);
    this.#closeOutput();
    // It reads the end of its job, but may still be starting.
    void this.#enclosure.kill();
    void this.#child.exited.then(() => this.#enclosure.release());
  }

  #begin(job: Job): Child {
    this.#isTaken = true;
    const message = encodeJob(job);
    try {
      // A pipe holds 64 KiB and its reader waits: what is larger is refused before (`fitsPipe`).
      writeSync(this.#job, message);
    } catch {
      this.#closeOutput();
      throw new SpawnFailure("other", "the interpreter that was waiting has ended");
    } finally {
      closeSync(this.#job);
    }
    return this.#child;
  }

  #closeOutput(): void {
    const { stdout, stderr } = this.#child;
    closeSync(stdout);
    if (stderr !== undefined) closeSync(stderr);
  }
}
