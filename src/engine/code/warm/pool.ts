import type { Environment } from "../../environment.ts";
import type { PreparedChild } from "../../process/process-run.ts";
import { fitsJob, type Job, type WaitingChild } from "../../process/waiting-child.ts";
import { startsAlike } from "../../start-environment.ts";
import { availableMemory } from "../../system/memory.ts";

/** Between two looks at how much memory is left. */
const LOOK_EVERY_MS = 1000;

/**
 * The next interpreter is made when a program has ended and its end has been told, or when it has run so long that
 * it will not notice: making one takes a processor that a short program and its answer would wait for.
 */
const AFTER_END_MS = 2;
const AFTER_START_MS = 30;

/** Where interpreters come from that are all alike. */
export interface WarmSource extends AsyncDisposable {
  /** The interpreter, and the environment it is started with. */
  readonly program: string;
  readonly env: Environment;
  /** Whether it can make no more. */
  readonly hasEnded: boolean;
  /** Whether what it makes is still what an interpreter started now would be. */
  isFresh(): boolean;
  /** Whether to make one when it is needed is still faster than a cold start. */
  readonly isQuick: boolean;
  /** Undefined when none can be made. */
  make(): Promise<WaitingChild | undefined>;
  /** Makes no more, and ends when what it has made has ended. @returns When it has. */
  retire(): Promise<void>;
}

export interface WarmPoolOptions {
  /** Interpreters that wait; with 0 each is made when it is needed. */
  readonly size: number;
  /** Memory that must be left, in bytes; with less none wait. */
  readonly spareBytes: number;
  /** Undefined when there can be no source, such as on a machine without the interpreter. */
  open(): Promise<WarmSource | undefined>;
  /** With no demand for so long all of it ends; absent: never. */
  readonly idleMs?: number;
}

/** Interpreters that wait. It is started at the first demand, and anew when it is stale. */
export class WarmPool implements AsyncDisposable {
  readonly #options: WarmPoolOptions;
  #source: WarmSource | undefined;
  /** Those of which programs still run. */
  readonly #retired = new Set<WarmSource>();
  #waiting: WaitingChild[] = [];
  #filling: Promise<void> | undefined;
  #idle: Timer | undefined;
  #isClosed = false;
  #look = { at: Number.NEGATIVE_INFINITY, isShort: false };

  constructor(options: WarmPoolOptions) {
    this.#options = options;
  }

  /**
   * One that waits, for a program to be run by `program` with `env`; undefined when there is none, or it would
   * not be the same as one started for it.
   * @param describe Gives the job, told what the interpreter was started with.
   */
  async take(
    program: string,
    env: Environment,
    describe: (start: Environment) => Job,
  ): Promise<PreparedChild | undefined> {
    if (this.#source?.isFresh() === false) this.renew();
    const source = this.#source;
    if (source === undefined) {
      this.fill();
      return undefined;
    }
    // The next program may be of the usual kind again; this one says nothing about it.
    if (source.program !== program || !startsAlike(source.env, env)) return undefined;
    const job = describe(source.env);
    if (!fitsJob(job)) return undefined;
    const child = this.#next() ?? (source.isQuick ? await source.make() : undefined);
    this.#fillAfter(child);
    return child?.prepare(job);
  }

  /** Ends all that waits, because it is not what it should be; the next demand starts anew. What runs goes on. */
  renew(): void {
    const source = this.#source;
    this.#source = undefined;
    this.#waiting.splice(0).forEach((child) => child.discard());
    if (source === undefined) return;
    this.#retired.add(source);
    void source.retire().then(async () => {
      await source[Symbol.asyncDispose]();
      this.#retired.delete(source);
    });
  }

  /** Settles when there is a source and enough wait, or there cannot be. */
  async filled(): Promise<void> {
    this.fill();
    await this.#filling;
  }

  /** Makes interpreters in the background until enough wait. */
  fill(): void {
    if (this.#isClosed) return;
    this.#filling ??= this.#fill()
      // A machine that cannot start one now has the cold path, which says what is wrong.
      .catch(() => undefined)
      .finally(() => (this.#filling = undefined));
    clearTimeout(this.#idle);
    if (this.#options.idleMs !== undefined)
      this.#idle = setTimeout(() => this.renew(), this.#options.idleMs).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    await this.#filling;
    this.#waiting.splice(0).forEach((child) => child.discard());
    const sources = [...this.#retired, ...(this.#source ? [this.#source] : [])];
    await Promise.all(sources.map((source) => source[Symbol.asyncDispose]()));
  }

  #next(): WaitingChild | undefined {
    const child = this.#waiting.find(({ isWaiting }) => isWaiting);
    this.#waiting = this.#waiting.filter((other) => other !== child && other.isWaiting);
    return child;
  }

  #fillAfter(child: WaitingChild | undefined): void {
    const timer = setTimeout(() => this.fill(), AFTER_START_MS).unref();
    void child?.ended.then(() => {
      clearTimeout(timer);
      setTimeout(() => this.fill(), AFTER_END_MS).unref();
    });
  }

  #isShort(): boolean {
    const now = performance.now();
    if (now - this.#look.at >= LOOK_EVERY_MS)
      this.#look = { at: now, isShort: availableMemory() < this.#options.spareBytes };
    return this.#look.isShort;
  }

  async #fill(): Promise<void> {
    if (this.#isShort()) {
      this.renew();
      return;
    }
    if (this.#source?.hasEnded === true) this.renew();
    const source = (this.#source ??= await this.#options.open());
    while (
      source &&
      this.#source === source &&
      this.#waiting.length < this.#options.size &&
      !this.#isClosed
    ) {
      const child = await source.make();
      if (child === undefined) return;
      // It may have become stale meanwhile.
      if (this.#source === source) this.#waiting.push(child);
      else child.discard();
    }
  }
}

/** How many variables are removed, their names, and those that are set. */
export function changes(start: Environment, env: Environment): string[] {
  const removed = Object.keys(start).filter((name) => env[name] === undefined);
  const set = Object.entries(env).filter(([name, value]) => start[name] !== value);
  return [String(removed.length), ...removed, ...set.map(([name, value]) => `${name}=${value}`)];
}
