import { EngineError } from "../error.ts";
import { Attachment, type Life, type Role } from "./attachment.ts";
import type { TerminalLog } from "./terminal-log.ts";

export interface AttachOptions {
  /** Absolute offset of the first byte wanted. */
  readonly since: number;
  /** Send away whoever holds it. */
  readonly takeover: boolean;
}

/** Who is attached to one session: at most one that types, any number that look on. */
export class Audience {
  readonly #log: TerminalLog;
  readonly #onLeave: () => void;
  readonly #attachments = new Set<Attachment>();
  #holder: Attachment | undefined;

  constructor(log: TerminalLog, onLeave: () => void) {
    this.#log = log;
    this.#onLeave = onLeave;
  }

  get isEmpty(): boolean {
    return this.#attachments.size === 0;
  }

  get isHeld(): boolean {
    return this.#holder !== undefined;
  }

  get viewers(): number {
    return this.#attachments.size - (this.#holder ? 1 : 0);
  }

  /** @throws EngineError `conflict` when it is held and is not to be taken over. */
  admit(role: Role, life: Life, { since, takeover }: AttachOptions): Attachment {
    if (role === "holder") this.#makeWay(takeover);
    const attachment = new Attachment(role, since, this.#log, life, (gone) => this.#left(gone));
    this.#attachments.add(attachment);
    if (role === "holder") this.#holder = attachment;
    return attachment;
  }

  /** A promise asks the program to wait for its holder; nobody else is waited for. */
  pace(): Promise<void> | undefined {
    return this.#holder?.pace();
  }

  #makeWay(takeover: boolean): void {
    if (this.#holder === undefined) return;
    if (!takeover)
      throw new EngineError("conflict", "Cannot attach: another connection holds this terminal session", {
        details: { held: true },
      });
    this.#holder.detach("taken_over");
  }

  #left(attachment: Attachment): void {
    this.#attachments.delete(attachment);
    if (this.#holder === attachment) this.#holder = undefined;
    this.#onLeave();
  }
}
