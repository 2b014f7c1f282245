import { EngineError } from "../error.ts";
import type { Store } from "../store.ts";
import { MOST_ATTEMPTS, pauseMs } from "./backoff.ts";
import { DeliveryTable, type Delivery } from "./delivery-table.ts";
import { pause, WebhookSender } from "./sender.ts";
import { checkTarget, type WebhookTarget } from "./target-request.ts";
import type { TargetKind } from "./targets.ts";

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
  readonly #store: Store;
  readonly #table: DeliveryTable;
  readonly #sender: WebhookSender;
  readonly #options: WebhookOptions;
  /** Bodies that are still being made. */
  readonly #tracked = new Set<Promise<void>>();
  readonly #life = new AbortController();
  readonly #abandoned: readonly { readonly id: string; readonly headerPrefix: string }[];

  constructor(store: Store, options: WebhookOptions) {
    this.#store = store;
    this.#table = new DeliveryTable(store);
    this.#sender = new WebhookSender(this.#table, options, RETENTION);
    this.#options = options;
    this.#table.adopt();
    this.#abandoned = this.#table.waiting();
    this.#table.prune(RETENTION);
    this.#sender.pump();
  }

  /** @throws EngineError `invalid` for an address or header that cannot be used or may not be called. */
  async check(target: WebhookTarget): Promise<void> {
    const url = checkTarget(target);
    // Loaded at the first callback, like what delivers it.
    const { allowedAddresses } = await import("./targets.ts");
    const late = new Promise<void>((resolve) => setTimeout(resolve, LOOK_UP_MS).unref());
    const resolved = allowedAddresses(url, this.#options.targets).catch((error: unknown) => {
      // A name that is not known yet may be by the time there is something to deliver.
      if (error instanceof EngineError) throw error;
    });
    await Promise.race([resolved, late]);
  }

  /** Remembers where the result of `id` goes. @throws EngineError `busy` when too many wait, `unavailable`. */
  register(id: string, target: WebhookTarget): void {
    const { count, bytes } = this.#table.unfinished();
    if (count >= MOST_UNFINISHED || bytes >= MOST_UNFINISHED_BYTES) {
      throw new EngineError(
        "busy",
        `Cannot take on another callback: ${count} of ${bytes} bytes wait to be delivered`,
      );
    }
    this.#store.write("the callback", () => this.#table.insert(id, target));
  }

  /** Nothing will be delivered: what it was registered for never began. Where that cannot be written, it is told as lost. */
  withdraw(id: string): void {
    try {
      this.#table.remove(id);
    } catch (cause) {
      this.#options.onNotice("a callback cannot be withdrawn", { id, cause: String(cause) });
    }
  }

  /** Delivers the body as soon as it is there. Should it never be, the next daemon finds the delivery abandoned. */
  deliverWhen(id: string, body: Promise<string>): void {
    const done = body
      .then((text) => this.#keep(id, text))
      .catch((cause: unknown) =>
        this.#options.onNotice("the result of a run could not be kept for its webhook", {
          id,
          cause: String(cause),
        }),
      )
      .finally(() => this.#tracked.delete(done));
    this.#tracked.add(done);
  }

  /** Those that a daemon which is gone had registered, and whose result nobody will make any more. */
  abandoned(headerPrefix: string): string[] {
    return this.#abandoned.filter((one) => one.headerPrefix === headerPrefix).map(({ id }) => id);
  }

  /** Deliveries by state, of those that are remembered. */
  counts(): Readonly<Record<string, number>> {
    return this.#table.counts();
  }

  find(id: string): Delivery | undefined {
    return this.#table.get(id) ?? undefined;
  }

  /**
   * Begins anew, with the same delivery id and all attempts.
   * @throws EngineError `not_found`, `unavailable`, or `conflict` when there is nothing to deliver yet.
   */
  redeliver(id: string): Delivery {
    const delivery = this.#table.get(id);
    if (!delivery) throw new EngineError("not_found", `There is no execution ${id}`);
    if (delivery.state === "waiting") throw new EngineError("conflict", `Execution ${id} has not ended yet`);
    const fresh = { lastStatus: null, lastError: null, nextAttemptAt: Date.now(), finishedAt: null };
    this.#store.write("the callback", () =>
      this.#table.update(id, { ...fresh, state: "pending", attempts: 0 }),
    );
    this.#sender.pump();
    return this.#table.get(id) ?? delivery;
  }

  /** Waits until every body is kept and what is being sent has been answered, or `signal` is aborted. */
  async settle(signal: AbortSignal): Promise<void> {
    const given = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    const all = async () => {
      await Promise.allSettled(this.#tracked);
      await this.#sender.answered();
    };
    if (!signal.aborted) await Promise.race([all(), given]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
    await Promise.allSettled([...this.#tracked, this.#sender[Symbol.asyncDispose]()]);
  }

  /**
   * A full disk may have room again. Until then the body is in memory; no more come meanwhile, because no further
   * callback can be written down either. @throws what the last try was refused with.
   */
  async #keep(id: string, body: string): Promise<void> {
    for (let attempts = 1; ; attempts++) {
      try {
        this.#table.setBody(id, body);
        this.#sender.pump();
        return;
      } catch (cause) {
        if (attempts >= MOST_ATTEMPTS || this.#life.signal.aborted) throw cause;
        this.#options.onNotice("the result of a run cannot be kept for its webhook yet", {
          id,
          cause: String(cause),
        });
        await pause(pauseMs(attempts, this.#options.retryBaseMs), this.#life.signal);
      }
    }
  }
}
