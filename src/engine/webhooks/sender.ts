import type { AttemptResult } from "./attempt.ts";
import type { DeliveryTable, Retention } from "./delivery-table.ts";
import { headersOf } from "./message.ts";
import type { WebhookOptions } from "./queue.ts";
import { afterAttempt } from "./verdict.ts";

const MOST_AT_ONCE = 16;
const LONGEST_TIMER_MS = 60_000;
/** Before the database is asked again that has failed. */
const FAULT_PAUSE_MS = 30_000;

/** Sends what is in the table when it is due, some at once, and writes down what became of it. */
export class WebhookSender implements AsyncDisposable {
  readonly #table: DeliveryTable;
  readonly #options: WebhookOptions;
  readonly #retention: Retention;
  readonly #sending = new Map<string, Promise<void>>();
  readonly #life = new AbortController();
  #timer: Timer | undefined;

  /** @param retention Of those that are over. */
  constructor(table: DeliveryTable, options: WebhookOptions, retention: Retention) {
    this.#table = table;
    this.#options = options;
    this.#retention = retention;
  }

  /** Begins what is due, and comes back when the next one is. */
  pump(): void {
    clearTimeout(this.#timer);
    const room = MOST_AT_ONCE - this.#sending.size;
    if (this.#life.signal.aborted || room <= 0) return;
    try {
      for (const { id, nextAttemptAt } of this.#table.next(this.#sending.keys(), room)) {
        const pause = nextAttemptAt - Date.now();
        if (pause > 0) {
          this.#pumpIn(pause);
          break;
        }
        this.#begin(id);
      }
    } catch (cause) {
      this.#options.onNotice("the webhooks that wait cannot be read", { cause: String(cause) });
      this.#pumpIn(FAULT_PAUSE_MS);
    }
  }

  /** Settles when what is being sent now has been answered. */
  async answered(): Promise<void> {
    await Promise.allSettled(this.#sending.values());
  }

  /** Cuts short what is being sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
    clearTimeout(this.#timer);
    await this.answered();
  }

  #pumpIn(ms: number): void {
    this.#timer = setTimeout(() => this.pump(), Math.min(ms, LONGEST_TIMER_MS)).unref();
  }

  #begin(id: string): void {
    const sending = this.#attempt(id)
      .catch((cause: unknown) => this.#rest(id, cause))
      .finally(() => {
        this.#sending.delete(id);
        this.pump();
      });
    this.#sending.set(id, sending);
  }

  /** A result that cannot be written down, on a full disk for example, must not be sent again at once. */
  async #rest(id: string, cause: unknown): Promise<void> {
    this.#options.onNotice("the state of a webhook could not be kept", { id, cause: String(cause) });
    await pause(FAULT_PAUSE_MS, this.#life.signal);
  }

  async #attempt(id: string): Promise<void> {
    const delivery = this.#table.get(id);
    if (delivery?.body == null) return;
    // Loaded at the first delivery: HTTP and TLS of their own are a tenth of the time to start.
    const { attemptDelivery } = await import("./attempt.ts");
    const result = await attemptDelivery({
      ...delivery,
      body: delivery.body,
      headers: headersOf(delivery, delivery.body),
      targets: this.#options.targets,
      timeoutMs: this.#options.attemptTimeoutMs,
      life: this.#life.signal,
    });
    // Cut short by the end of the daemon: it counts for nothing, and the next daemon makes it again.
    if (this.#life.signal.aborted && result.verdict !== "delivered") return;
    this.#conclude(id, delivery.attempts + 1, result);
  }

  #conclude(id: string, attempts: number, result: AttemptResult): void {
    const change = afterAttempt(attempts, result, this.#options.retryBaseMs);
    this.#table.update(id, change);
    if (change.finishedAt !== null) this.#table.prune(this.#retention);
    if (change.state !== "failed") return;
    const { lastStatus, lastError } = change;
    this.#options.onNotice("a webhook was not delivered", { id, attempts, lastStatus, lastError });
  }
}

/** Settles after a time, which does not keep the daemon alive, or when `signal` is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
  const over = () => resolve();
  const timer = setTimeout(over, ms).unref();
  signal.addEventListener("abort", over, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", over);
}
