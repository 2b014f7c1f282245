import { EngineError } from "../error.ts";
import { MOST_CLIP_BYTES } from "./clipboard-limits.ts";
import { ClipboardOwner } from "./clipboard-owner.ts";
import type { XConnection } from "./x11/connection.ts";
import {
  atom,
  atomName,
  convertSelection,
  createHiddenWindow,
  EVENT,
  getProperty,
  getSelectionOwner,
  nextEvent,
  type Property,
} from "./x11/core.ts";
import { Fixes } from "./x11/xfixes.ts";

/** A copied value by its type: "text/plain" in UTF-8, or as the application calls it ("image/png"). */
export interface Clip {
  readonly type: string;
  readonly bytes: Uint8Array;
}

export const TEXT = "text/plain";
/** The same text under other names, the best first (ICCCM 2.6.2, and what toolkits offer). */
const TEXT_TARGETS = ["UTF8_STRING", "text/plain;charset=utf-8", "STRING", "TEXT", "text/plain"];

const MOST_HISTORY = 50;
const MOST_HISTORY_BYTES = 4 * 1024 * 1024;
/** An application that owns the selection and does not answer by then is stuck. */
const ANSWER_MS = 5000;
const PROPERTY = "SANDERLING_CLIPBOARD";
const NEW_VALUE = 0;

/** The clipboard of the session, as its applications have it; what was copied lately is remembered. */
export class Clipboard {
  readonly #x: XConnection;
  readonly #window: number;
  readonly #owner: ClipboardOwner;
  #history: string[] = [];
  /** Reading is one conversation after the other: answers come to one property. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(x: XConnection, window: number, owner: ClipboardOwner) {
    this.#x = x;
    this.#window = window;
    this.#owner = owner;
  }

  static async open(x: XConnection): Promise<Clipboard> {
    const selection = await atom(x, "CLIPBOARD");
    const window = createHiddenWindow(x);
    const clipboard = new Clipboard(x, window, await ClipboardOwner.open(x, window));
    const fixes = await Fixes.open(x);
    fixes.watchSelection(window, selection);
    x.listen((event) => {
      // What is copied through us is remembered already.
      const isOthers = event.u32(8) !== 0 && event.u32(8) !== window;
      if (event.code === fixes.selectionNotify && isOthers) void clipboard.#remember();
    });
    return clipboard;
  }

  /** Texts that were copied, the newest first. */
  get history(): readonly string[] {
    return this.#history;
  }

  /** Makes a value the clipboard's, for every application; the daemon keeps it. @throws EngineError `too_large`. */
  async set(clip: Clip): Promise<void> {
    if (clip.bytes.byteLength > MOST_CLIP_BYTES)
      throw new EngineError(
        "too_large",
        `Cannot copy ${clip.bytes.byteLength} bytes: at most ${MOST_CLIP_BYTES}`,
      );
    const targets = clip.type === TEXT ? TEXT_TARGETS : [clip.type];
    await this.#owner.own(targets, clip.bytes);
    if (clip.type === TEXT) this.#add(new TextDecoder().decode(clip.bytes));
  }

  /** Types of what the clipboard has; empty when it has nothing. */
  async types(): Promise<string[]> {
    const answer = await this.#read("TARGETS");
    if (answer?.format !== 32) return [];
    const view = new DataView(answer.data.buffer, answer.data.byteOffset, answer.data.byteLength);
    const atoms = Array.from({ length: answer.data.byteLength / 4 }, (_, i) => view.getUint32(4 * i, true));
    return Promise.all(atoms.map((one) => atomName(this.#x, one)));
  }

  /** The copied text; empty when there is none. @throws EngineError `too_large`, `conflict` for an owner that is stuck. */
  async text(): Promise<string> {
    for (const target of TEXT_TARGETS) {
      const answer = await this.#read(target);
      if (answer === undefined || answer.format !== 8) continue;
      const isLatin = answer.type === (await atom(this.#x, "STRING"));
      return new TextDecoder(isLatin ? "latin1" : "utf-8").decode(answer.data);
    }
    return "";
  }

  /** The copied value as this type; undefined when its owner does not give it so. @throws as `text`. */
  async get(type: string): Promise<Clip | undefined> {
    const answer = await this.#read(type);
    return answer?.format === 8 ? { type, bytes: answer.data.slice() } : undefined;
  }

  #read(target: string): Promise<Property | undefined> {
    const read = this.#last.then(() => this.#converse(target));
    this.#last = read.catch(() => undefined);
    return read;
  }

  async #converse(target: string): Promise<Property | undefined> {
    const x = this.#x;
    const names = ["CLIPBOARD", target, PROPERTY, "INCR"];
    const [selection = 0, wanted = 0, property = 0, incr = 0] = await Promise.all(
      names.map((name) => atom(x, name)),
    );
    if ((await getSelectionOwner(x, selection)) === 0) return undefined;
    const answered = nextEvent(x, ANSWER_MS, (event) =>
      event.code === EVENT.selectionNotify && event.u32(8) === this.#window
        ? { property: event.u32(20) }
        : undefined,
    );
    convertSelection(x, this.#window, { selection, target: wanted, property });
    const answer = await answered;
    if (!answer) throw stuck();
    if (answer.property === 0) return undefined;
    const parts = this.#parts();
    const value = await getProperty(x, this.#window, PROPERTY, { remove: true });
    if (value.type === incr) return await parts.collect();
    parts[Symbol.dispose]();
    return value;
  }

  /** A long value comes in parts, each when the last has been taken away (ICCCM 2.7.2). */
  #parts() {
    const x = this.#x;
    let arrived = Promise.withResolvers<undefined>();
    const listening = x.listen((event) => {
      if (event.code !== EVENT.propertyNotify || event.u32(4) !== this.#window) return;
      if (event.u8(16) === NEW_VALUE) arrived.resolve(undefined);
    });
    const collect = async (): Promise<Property> => {
      const parts: Uint8Array[] = [];
      let total = 0;
      for (;;) {
        await before(ANSWER_MS, arrived.promise);
        arrived = Promise.withResolvers();
        const part = await getProperty(x, this.#window, PROPERTY, { remove: true });
        // The event for the announcement itself, whose property has been taken away.
        if (part.format === 0) continue;
        if (part.data.byteLength === 0) return { ...part, data: Buffer.concat(parts, total) };
        parts.push(part.data);
        total += part.data.byteLength;
        if (total > MOST_CLIP_BYTES)
          throw new EngineError("too_large", `The clipboard has more than ${MOST_CLIP_BYTES} bytes`);
      }
    };
    const dispose = () => listening[Symbol.dispose]();
    return { collect: () => collect().finally(dispose), [Symbol.dispose]: dispose };
  }

  async #remember(): Promise<void> {
    try {
      const text = await this.text();
      if (text !== "") this.#add(text);
    } catch {
      // An owner that does not answer has copied nothing that could be remembered.
    }
  }

  #add(text: string): void {
    this.#history = [text, ...this.#history.filter((one) => one !== text)].slice(0, MOST_HISTORY);
    while (this.#history.reduce((sum, one) => sum + one.length, 0) > MOST_HISTORY_BYTES) this.#history.pop();
  }
}

function stuck(): EngineError {
  return new EngineError(
    "conflict",
    "Cannot read the clipboard: the application that has it does not answer",
  );
}

async function before(ms: number, arrived: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(stuck()), ms);
  await Promise.race([arrived, late.promise]).finally(() => clearTimeout(timer));
}
