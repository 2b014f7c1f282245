import { EngineError } from "./error.ts";
import { IdempotencyTable, type KeyRow } from "./idempotency-table.ts";
import type { Store } from "./store.ts";

export interface OnceResult {
  readonly answer: string;
  /** Whether the answer is that of an earlier request. */
  readonly isReplay: boolean;
}

type Notice = (notice: string, details?: Readonly<Record<string, unknown>>) => void;

/**
 * Remembers what was answered to each idempotency key. The key is in the database before the work begins, so
 * that work which a crash cut short is told as such and never silently done again.
 */
export class Idempotency implements AsyncDisposable {
  readonly #store: Store;
  readonly #table: IdempotencyTable;
  readonly #onNotice: Notice;
  readonly #underWay = new Map<string, { fingerprint: string; answer: Promise<string> }>();

  /** @param onNotice Told when an answer could not be kept. */
  constructor(store: Store, onNotice: Notice) {
    this.#store = store;
    this.#onNotice = onNotice;
    this.#table = new IdempotencyTable(store);
  }

  /**
   * Does `work` for the first request with this key; others get the answer of the first, waiting for it where
   * needed. Work that throws must have done nothing: then the key is free again, and all who wait get the error.
   * @param fingerprint Of the whole request; the same key with another one is refused.
   * @throws EngineError `conflict` for another request with this key, or when the first was lost; `unavailable`
   * when the key cannot be kept, and then nothing has been done.
   */
  async once(key: string, fingerprint: string, work: () => Promise<string>): Promise<OnceResult> {
    const first = this.#underWay.get(key);
    if (first) {
      refuseOther(first.fingerprint, fingerprint);
      return { answer: await first.answer, isReplay: true };
    }
    const kept = this.#table.find(key);
    if (kept) return { answer: this.#replay(kept, fingerprint), isReplay: true };
    if (!this.#store.write("the idempotency key", () => this.#table.claim(key, fingerprint)))
      throw new EngineError("conflict", `${TEXTS.elsewhere}; try again later`);
    const answer = this.#do(key, work);
    this.#underWay.set(key, { fingerprint, answer });
    try {
      return { answer: await answer, isReplay: false };
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** Answers that are still being made are kept first. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#underWay.values()].map(({ answer }) => answer));
  }

  async #do(key: string, work: () => Promise<string>): Promise<string> {
    let answer: string;
    try {
      answer = await work();
    } catch (error) {
      this.#orNotice(() => this.#table.release(key));
      throw error;
    }
    this.#orNotice(() => this.#table.keep(key, answer));
    return answer;
  }

  /** What has happened is told whoever waits for it also when it cannot be written down; repeats get `lost` then. */
  #orNotice(write: () => void): void {
    try {
      write();
    } catch (cause) {
      this.#onNotice("the answer to an idempotency key could not be kept", { cause: String(cause) });
    }
  }

  #replay(row: KeyRow, fingerprint: string): string {
    refuseOther(row.fingerprint, fingerprint);
    if (row.answer !== null) return row.answer;
    const reason = this.#reasonWithoutAnswer(row);
    throw new EngineError("conflict", `${TEXTS[reason]}; use another key to run it again`, {
      details: { idempotency: reason },
    });
  }

  #reasonWithoutAnswer({ state, owner }: KeyRow): keyof typeof TEXTS {
    if (state === "too_large") return "too_large";
    return this.#store.deadOwners([owner]).length > 0 || owner === this.#store.owner ? "lost" : "elsewhere";
  }
}

const TEXTS = {
  lost: "The run of this idempotency key was lost: its answer was not kept, because the daemon ended or its disk was full",
  too_large: "The run of this idempotency key has ended, but its answer was too large to be kept",
  elsewhere: "The run of this idempotency key is under way in another daemon",
} as const;

function refuseOther(first: string, second: string): void {
  if (first === second) return;
  throw new EngineError("conflict", "This idempotency key was already used with another request", {
    details: { idempotency: "different_request" },
  });
}
