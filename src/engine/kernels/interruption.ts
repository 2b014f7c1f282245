import type { Kernel } from "./kernel.ts";
import type { KernelRequest } from "./kernel-request.ts";

/** "stubborn": the kernel was not idle in time. */
export type InterruptOutcome = "interrupted" | "stubborn" | "died";

const TIMES = 2;
/** A kernel that executes something has heeded an interrupt by then; what awaits something may have to be woken. */
const WAKE_AFTER_MS = 50;
/** Kernels that are idle begin at once, and not all say so. */
const BEGIN_MS = 500;

/** The interrupt of one request: made at most once, however many ask for it. */
export class Interruption {
  readonly #kernel: Kernel;
  readonly #request: KernelRequest;
  readonly #graceMs: number;
  #outcome: Promise<InterruptOutcome> | undefined;
  #isMade = false;

  constructor(kernel: Kernel, request: KernelRequest, graceMs: number) {
    this.#kernel = kernel;
    this.#request = request;
    this.#graceMs = graceMs;
  }

  /** Whether the kernel has been sent an interrupt. */
  get isMade(): boolean {
    return this.#isMade;
  }

  /** Interrupts the kernel if nobody has, and waits until it is through with the request, or for the grace. */
  outcome(): Promise<InterruptOutcome> {
    return (this.#outcome ??= this.#interrupt());
  }

  async #interrupt(): Promise<InterruptOutcome> {
    const ends = [
      this.#request.finished.then(() => "interrupted" as const),
      this.#kernel.died.then(() => "died" as const),
    ];
    // Before it has begun a kernel heeds no interrupt, and would go on to execute the code.
    const begun = this.#request.begun.then(() => undefined);
    const early = await within(Math.min(BEGIN_MS, this.#graceMs), [...ends, begun]);
    if (early === "interrupted" || early === "died") return early;
    this.#isMade = true;
    // Twice: between system(3) and the start of its program, for example, a signal goes lost.
    for (let i = 0; i < TIMES; i++) {
      // Nor does it help to disturb the question whether the other half of "finished" comes (kernel.ts).
      if (!this.#request.isHalfFinished) this.#kernel.interrupt();
      const how = (await within(WAKE_AFTER_MS, ends)) ?? (await this.#woken(ends));
      if (how) return how;
    }
    return "stubborn";
  }

  #woken<T>(ends: readonly Promise<T>[]): Promise<T | undefined> {
    this.#kernel.wake();
    return within(this.#graceMs / TIMES - WAKE_AFTER_MS, ends);
  }
}

/** The first to settle; undefined when the time is up. */
async function within<T>(ms: number, promises: readonly Promise<T>[]): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    return await Promise.race([...promises, late]);
  } finally {
    clearTimeout(timer);
  }
}
