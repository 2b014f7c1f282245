import { EngineError } from "../error.ts";

/** More than these wait for one device only when somebody has lost count of what they sent. */
const MOST_WAITING = 256;

/** Does one thing after the other; what somebody does with a mouse must not be torn apart by somebody else. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(readonly what: string) {}

  /** @throws EngineError `busy` when too much waits; else whatever the work throws. */
  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#waiting >= MOST_WAITING)
      throw new EngineError(
        "busy",
        `Cannot use the ${this.what}: ${this.#waiting} other requests wait for it`,
      );
    this.#waiting++;
    const turn = this.#last.then(() => {
      refuseGone(signal);
      return work();
    });
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }
}

/** A pause that ends early, by throwing, when whoever asked for it has gone. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  refuseGone(signal);
  if (ms <= 0) return;
  const { promise, resolve, reject }: PromiseWithResolvers<void> = Promise.withResolvers();
  const timer = setTimeout(resolve, ms);
  const leave = () => reject(goneError());
  signal?.addEventListener("abort", leave, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", leave);
  }
}

/** @throws EngineError `gone` when whoever asked has left. */
export function refuseGone(signal?: AbortSignal): void {
  if (signal?.aborted === true) throw goneError();
}

function goneError(): EngineError {
  return new EngineError("gone", "Stopped: nobody waits for it any longer");
}
