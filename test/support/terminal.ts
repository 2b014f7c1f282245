import type { Attachment, TerminalEvent } from "../../src/engine/terminal/attachment.ts";
import type { TerminalSession } from "../../src/engine/terminal/session.ts";
import { until } from "./engine.ts";

/** Reads one attachment to its end, and can be asked what it has got so far. */
export class Reader {
  readonly events: TerminalEvent[] = [];
  readonly done: Promise<TerminalEvent | undefined>;
  #bytes = Buffer.alloc(0);

  constructor(readonly attachment: Attachment) {
    this.done = this.#read();
  }

  get text(): string {
    return this.#bytes.toString();
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Waits until what matches has been printed. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    return until(() => pattern.exec(this.text));
  }

  async #read(): Promise<TerminalEvent | undefined> {
    for await (const event of this.attachment.events()) {
      if (event.type === "output") this.#bytes = Buffer.concat([this.#bytes, event.bytes]);
      else this.events.push(event);
    }
    return this.events.at(-1);
  }
}

export function hold(session: TerminalSession, since = 0, takeover = false): Reader {
  return new Reader(session.attach("holder", { since, takeover }));
}

export function look(session: TerminalSession, since = 0): Reader {
  return new Reader(session.attach("viewer", { since, takeover: false }));
}

/** Types without hurry. */
export function type(session: TerminalSession, text: string | Uint8Array): Promise<void> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return session.write(bytes, new AbortController().signal);
}
