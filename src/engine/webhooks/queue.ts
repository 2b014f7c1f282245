import { EngineError } from "../error.ts";
import type { Store } from "../store.ts";
import { attemptDelivery, type AttemptResult } from "./attempt.ts";
import { DeliveryTable, type Delivery } from "./delivery-table.ts";
import { headersOf } from "./message.ts";
import { checkTarget, type WebhookTarget } from "./target-request.ts";
import { allowedAddresses, type TargetKind } from "./targets.ts";
import { afterAttempt } from "./verdict.ts";

export interface WebhookOptions {
  readonly targets: readonly TargetKind[];
  /** Pause after the first attempt; see backoff.ts for the rest. */
  readonly retryBaseMs: number;
  /** For one attempt, from looking up the name to the answer's status. */
  readonly attemptTimeoutMs: number;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

export const ATTEMPT_TIMEOUT_MS = 10_000;
/** A name that cannot be looked up in this time is looked up again when there is something to deliver. */
const LOOK_UP_MS = 2000;
const MOST_AT_ONCE = 16;
const LONGEST_TIMER_MS = 60_000;
/** Before the database is asked again that has failed. */
const FAULT_PAUSE_MS = 30_000;
/** What may wait to be delivered; then no further callback is taken on. */
const MOST_UNFINISHED = 1000;
const MOST_UNFINISHED_BYTES = 256 * 2 ** 20;
/** What is over can be asked about, and delivered again, for as long as this. */
const RETENTION = { count: 1000, bytes: 64 * 2 ** 20, ageMs: 24 * 60 * 60 * 1000 };

/**
 * Delivers results to webhooks at least once. What is to be delivered is in the database before the first
 * attempt, and so is every change of state, so that the next daemon goes on where this one was ended.
 */
export class WebhookQueue implements AsyncDisposable {
  readonly #table: DeliveryTable;
  readonly #options: WebhookOptions;
  readonly #sending = new Map<string, Promise<void>>();
  /** Bodies that are still being made. */
  readonly #tracked = new Set<Promise<void>>();
  readonly #life = new AbortController();
  readonly #abandoned: readonly { readonly id: string; readonly headerPrefix: string }[];
  #timer: Timer | undefined;

  constructor(store: Store, options: WebhookOptions) {
    this.#table = new DeliveryTable(store);
    this.#options = options;
    this.#table.adopt();
    this.#abandoned = this.#table.waiting();
    this.#table.prune(RETENTION);
    this.#pump();
  }

  /** @throws EngineError `invalid` for an address or header that cannot be used or may not be called. */
  async check(target: WebhookTarget): Promise<void> {
    const url = checkTarget(target);
    const late = new Promise<void>((resolve) => setTimeout(resolve, LOOK_UP_MS).unref());
    const resolved = allowedAddresses(url, this.#options.targets).catch((error: unknown) => {
      // A name that is not known yet may be by the time there is something to deliver.
      if (error instanceof EngineError) throw error;
    });
    await Promise.race([resolved, late]);
  }

  /** Remembers where the result of `id` goes. @throws EngineError `busy` when too many wait. */
  register(id: string, target: WebhookTarget): void {
    const { count, bytes } = this.#table.unfinished();
    if (count >= MOST_UNFINISHED || bytes >= MOST_UNFINISHED_BYTES) {
      throw new EngineError(
        "busy",
        `Cannot take on another callback: ${count} of ${bytes} bytes wait to be delivered`,
      );
    }
    this.#table.insert(id, target);
  }

  /** Nothing will be delivered: what it was registered for never began. */
  withdraw(id: string): void {
    this.#table.remove(id);
  }

  /** Delivers the body as soon as it is there. Should it never be, the next daemon finds the delivery abandoned. */
  deliverWhen(id: string, body: Promise<string>): void {
    const done = body
      .then((text) => this.deliver(id, text))
      .catch((cause: unknown) =>
        this.#options.onNotice("the result of a run could not be kept for its webhook", {
          id,
          cause: String(cause),
        }),
      )
      .finally(() => this.#tracked.delete(done));
    this.#tracked.add(done);
  }

  /** Keeps the body and begins to deliver it. */
  deliver(id: string, body: string): void {
    this.#table.setBody(id, body);
    this.#pump();
  }

  /** Those that a daemon which is gone had registered, and whose result nobody will make any more. */
  abandoned(headerPrefix: string): string[] {
    return this.#abandoned.filter((one) => one.headerPrefix === headerPrefix).map(({ id }) => id);
  }

  find(id: string): Delivery | undefined {
    return this.#table.get(id) ?? undefined;
  }

  /**
   * Begins anew, with the same delivery id and all attempts.
   * @throws EngineError `not_found`, or `conflict` when there is nothing to deliver yet.
   */
  redeliver(id: string): Delivery {
    const delivery = this.#table.get(id);
    if (!delivery) throw new EngineError("not_found", `There is no execution ${id}`);
    if (delivery.state === "waiting") throw new EngineError("conflict", `Execution ${id} has not ended yet`);
    const fresh = { lastStatus: null, lastError: null, nextAttemptAt: Date.now(), finishedAt: null };
    this.#table.update(id, { ...fresh, state: "pending", attempts: 0 });
    this.#pump();
    return this.#table.get(id) ?? delivery;
  }

  /** Waits until every body is kept and what is being sent has been answered, or `signal` is aborted. */
  async settle(signal: AbortSignal): Promise<void> {
    const given = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    const all = async () => {
      await Promise.allSettled(this.#tracked);
      await Promise.allSettled(this.#sending.values());
    };
    if (!signal.aborted) await Promise.race([all(), given]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
    clearTimeout(this.#timer);
    await Promise.allSettled([...this.#tracked, ...this.#sending.values()]);
  }

  #pump(): void {
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

  #pumpIn(ms: number): void {
    this.#timer = setTimeout(() => this.#pump(), Math.min(ms, LONGEST_TIMER_MS)).unref();
  }

  #begin(id: string): void {
    const sending = this.#attempt(id)
      .catch((cause: unknown) => this.#rest(id, cause))
      .finally(() => {
        this.#sending.delete(id);
        this.#pump();
      });
    this.#sending.set(id, sending);
  }

  /** A result that cannot be written down, on a full disk for example, must not be sent again at once. */
  async #rest(id: string, cause: unknown): Promise<void> {
    this.#options.onNotice("the state of a webhook could not be kept", { id, cause: String(cause) });
    const { signal } = this.#life;
    const over: PromiseWithResolvers<void> = Promise.withResolvers();
    const timer = setTimeout(over.resolve, FAULT_PAUSE_MS).unref();
    signal.addEventListener("abort", () => over.resolve(), { once: true });
    if (!signal.aborted) await over.promise;
    clearTimeout(timer);
  }

  async #attempt(id: string): Promise<void> {
    const delivery = this.#table.get(id);
    if (delivery?.body == null) return;
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
    if (change.finishedAt !== null) this.#table.prune(RETENTION);
    if (change.state !== "failed") return;
    const { lastStatus, lastError } = change;
    this.#options.onNotice("a webhook was not delivered", { id, attempts, lastStatus, lastError });
  }
}
