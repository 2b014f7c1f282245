import type { Channel } from "../jupyter/client.ts";
import type { KernelMessage } from "../jupyter/kernel-message.ts";

export type ExecuteReply = Extract<KernelMessage, { type: "execute_reply" }>;

/** Whoever made a request is told what the kernel says about it, in order; also after it is finished. */
export type RequestListener = (message: KernelMessage) => Promise<void> | undefined;

/**
 * One request to a kernel. It is finished when its reply and the kernel's "idle" have both been seen, in
 * whichever order they came: they travel over different sockets.
 */
export class KernelRequest {
  readonly id: string;
  /** The reply; "lost": the kernel is through with it and has not replied, as after an untimely interrupt. */
  readonly finished: Promise<KernelMessage | "lost">;
  /** Settles when the kernel has surely begun. */
  readonly begun: Promise<void>;
  readonly #listener: RequestListener;
  readonly #onHalf: () => void;
  readonly #begun: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #finish: PromiseWithResolvers<KernelMessage | "lost"> = Promise.withResolvers();
  #reply: KernelMessage | undefined;
  #isIdle = false;
  #isFinished = false;

  /** @param onHalf Told when the reply or "idle" has come, and the other is still missing. */
  constructor(id: string, listener: RequestListener, onHalf: () => void) {
    this.id = id;
    this.#listener = listener;
    this.#onHalf = onHalf;
    this.begun = this.#begun.promise;
    this.finished = this.#finish.promise;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Whether the kernel has said one half of "finished": it executes nothing of this any more. */
  get isHalfFinished(): boolean {
    return this.#isIdle || this.#reply !== undefined;
  }

  hear(channel: Channel, message: KernelMessage): Promise<void> | undefined {
    const isBusy = message.type === "status" && message.state === "busy";
    // "busy" comes before the kernel heeds interrupts, what it says after that does not.
    if (channel === "iopub" && !isBusy) this.#begun.resolve();
    const wait = this.#listener(message);
    if (message.type === "status" && message.state === "idle") this.#isIdle = true;
    else if (isReply(channel, message)) this.#reply ??= message;
    else return wait;
    this.#settle();
    return wait;
  }

  /** The kernel has answered what was asked after this: what is still missing never comes. */
  giveUp(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#finish.resolve(this.#reply ?? "lost");
  }

  #settle(): void {
    if (this.#isIdle && this.#reply !== undefined) this.giveUp();
    else this.#onHalf();
  }
}

function isReply(channel: Channel, message: KernelMessage): boolean {
  return channel === "shell" && (message.type.endsWith("_reply") || message.type === "oversized");
}
