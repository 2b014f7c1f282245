import type { XConnection } from "./x11/connection.ts";
import {
  atom,
  EVENT,
  EVENT_MASK,
  numberBytes,
  putProperty,
  selectEvents,
  sendEvent,
  setSelectionOwner,
} from "./x11/core.ts";
import type { Frame } from "./x11/frames.ts";
import { Packet } from "./x11/packet.ts";

/** More than this is handed over in parts, so that one value does not hold up the server. */
const PART_BYTES = 128 * 1024;
/** Applications that are being given a long value at once; a further one is refused. */
const MOST_TRANSFERS = 16;
/** An application that takes no part for so long has gone. */
const PART_MS = 10_000;
const DELETED = 1;
const ATOM_TYPE = 4;
const INTEGER_TYPE = 19;

interface Request {
  readonly requestor: number;
  readonly selection: number;
  readonly target: number;
  readonly property: number;
}

/** Gives the clipboard's value to the applications that ask for it (ICCCM 2.2). */
export class ClipboardOwner {
  #targets: ReadonlySet<number> = new Set();
  #bytes = new Uint8Array(0);
  #transfers = 0;

  private constructor(
    readonly x: XConnection,
    readonly window: number,
    readonly atoms: { readonly clipboard: number; readonly targets: number; readonly incr: number },
  ) {}

  static async open(x: XConnection, window: number): Promise<ClipboardOwner> {
    const [clipboard, targets, incr] = await Promise.all([
      atom(x, "CLIPBOARD"),
      atom(x, "TARGETS"),
      atom(x, "INCR"),
    ]);
    const owner = new ClipboardOwner(x, window, { clipboard, targets, incr });
    x.listen((event) => {
      if (event.code === EVENT.selectionRequest) owner.#answer(event);
      // Somebody else has copied: what was here is no longer asked for.
      else if (event.code === EVENT.selectionClear) owner.#forget();
    });
    return owner;
  }

  async own(targets: readonly string[], bytes: Uint8Array): Promise<void> {
    this.#targets = new Set(await Promise.all(targets.map((name) => atom(this.x, name))));
    this.#bytes = bytes.slice();
    setSelectionOwner(this.x, this.window, this.atoms.clipboard);
    await this.x.sync();
  }

  #forget(): void {
    this.#targets = new Set();
    this.#bytes = new Uint8Array(0);
  }

  #answer(event: Frame): void {
    const [requestor, selection, target, property] = [
      event.u32(12),
      event.u32(16),
      event.u32(20),
      event.u32(24),
    ];
    // An old client names no property: then the target's name is meant.
    const request = { requestor, selection, target, property: property === 0 ? target : property };
    const isGiven = this.#give(request);
    this.#notify(event.u32(4), isGiven ? request : { ...request, property: 0 });
  }

  #give({ requestor, target, property }: Request): boolean {
    const { targets, incr } = this.atoms;
    if (target === targets) {
      const data = numberBytes(targets, ...this.#targets);
      putProperty(this.x, requestor, property, { type: ATOM_TYPE, format: 32, data });
      return true;
    }
    if (!this.#targets.has(target)) return false;
    if (this.#bytes.byteLength <= PART_BYTES) {
      putProperty(this.x, requestor, property, { type: target, format: 8, data: this.#bytes });
      return true;
    }
    if (this.#transfers >= MOST_TRANSFERS) return false;
    void this.#giveInParts(requestor, property, { type: target, format: 8, data: this.#bytes });
    const data = numberBytes(this.#bytes.byteLength);
    putProperty(this.x, requestor, property, { type: incr === 0 ? INTEGER_TYPE : incr, format: 32, data });
    return true;
  }

  /** A part each time the application has taken the last one away, and an empty one at the end. */
  async #giveInParts(
    requestor: number,
    property: number,
    value: { type: number; format: 8; data: Uint8Array },
  ) {
    this.#transfers++;
    let taken: PromiseWithResolvers<void> = Promise.withResolvers();
    // Our own window, which reads what we have copied ourselves, is told of its properties always.
    const isOther = requestor !== this.window;
    if (isOther) selectEvents(this.x, requestor, EVENT_MASK.property);
    const listening = this.x.listen((event) => {
      if (event.code !== EVENT.propertyNotify || event.u32(4) !== requestor) return;
      if (event.u32(8) === property && event.u8(16) === DELETED) taken.resolve();
    });
    try {
      for (let at = 0; ; at += PART_BYTES) {
        if (!(await inTime(taken.promise))) return;
        taken = Promise.withResolvers();
        const data = value.data.subarray(at, at + PART_BYTES);
        putProperty(this.x, requestor, property, { ...value, data });
        if (data.byteLength === 0) return;
      }
    } catch {
      // The display has gone, and the application with it.
    } finally {
      this.#transfers--;
      listening[Symbol.dispose]();
      if (isOther && this.x.isOpen) selectEvents(this.x, requestor, 0);
    }
  }

  #notify(time: number, { requestor, selection, target, property }: Request): void {
    const event = new Packet(EVENT.selectionNotify, 0).u32(time, requestor, selection, target, property);
    const bytes = event.skip(8).finish();
    bytes.fill(0, 2, 4);
    this.x.send(sendEvent(requestor, 0, bytes));
  }
}

async function inTime(taken: Promise<void>): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), PART_MS);
  return Promise.race([taken.then(() => true), late.promise]).finally(() => clearTimeout(timer));
}
