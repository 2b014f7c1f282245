import { clientSettled } from "./settled.ts";
import type { XConnection } from "./x11/connection.ts";
import { changeKeyboardMap, type KeyboardMap } from "./x11/keyboard-map.ts";

/** Keys of machines that no sandbox has (volume, mail, battery): their symbols begin with this. */
const VENDOR_SYMBOLS = 0x1008ff00;

/**
 * Keys that stand for nothing, or for what no sandbox has, and can be given any symbol. A program looks a key
 * event up in the table as it is when the program comes to it, so a key may get another symbol only when
 * everything typed with it has been read: there are about a hundred, the one given longest ago is taken, and
 * before one is given again the program is asked whether it has read all.
 */
export class SpareKeys {
  readonly #x: XConnection;
  /** Keycode by symbol, the one given or used last at the end. */
  readonly #given = new Map<number, number>();
  #free: number[] | undefined;
  /** Keycodes that may stand in events which nobody has read yet. */
  readonly #unread = new Set<number>();

  constructor(x: XConnection) {
    this.#x = x;
  }

  /** The key that was given a symbol and still has it: another layout takes all of them back. */
  strokeOf(keysym: number, map: KeyboardMap): { keycode: number; needsShift: false } | undefined {
    const keycode = this.#given.get(keysym);
    if (keycode === undefined) return undefined;
    const symbol = map.symbols[(keycode - map.firstKeycode) * map.perKeycode];
    return symbol === keysym ? { keycode, needsShift: false } : undefined;
  }

  /** Gives keys to as many of the symbols as there are keys. */
  async give(keysyms: readonly number[], map: KeyboardMap): Promise<void> {
    this.#free ??= spareKeycodes(map);
    for (const keysym of keysyms) this.#forget(keysym);
    const keycodes = keysyms
      .map(() => this.#free?.pop() ?? this.#takeOldest())
      .filter((one) => one !== undefined);
    if (keycodes.some((keycode) => this.#unread.has(keycode))) await this.settle();
    for (const [i, keycode] of keycodes.entries()) {
      const keysym = keysyms[i] ?? 0;
      this.#given.set(keysym, keycode);
      // Both levels: a capital letter alone would be taken for the second half of a pair.
      await changeKeyboardMap(this.#x, keycode, [[keysym, keysym]]);
    }
  }

  /** Notes what has been typed with. */
  used(keycodes: readonly number[]): void {
    const typed = new Set(keycodes);
    for (const [keysym, keycode] of [...this.#given]) {
      if (!typed.has(keycode)) continue;
      this.#unread.add(keycode);
      this.#given.delete(keysym);
      this.#given.set(keysym, keycode);
    }
  }

  /** Waits until what was typed with these keys has been read. */
  async settle(): Promise<void> {
    if (this.#unread.size === 0) return;
    await clientSettled(this.#x);
    this.#unread.clear();
  }

  /** It was given a key once, which another layout has taken back. */
  #forget(keysym: number): void {
    const keycode = this.#given.get(keysym);
    if (keycode === undefined) return;
    this.#given.delete(keysym);
    this.#free?.push(keycode);
  }

  #takeOldest(): number | undefined {
    const [oldest] = this.#given;
    if (!oldest) return undefined;
    this.#given.delete(oldest[0]);
    return oldest[1];
  }
}

function spareKeycodes({ firstKeycode, perKeycode, symbols }: KeyboardMap): number[] {
  const count = symbols.length / perKeycode;
  const rows = Array.from({ length: count }, (_, i) => symbols.slice(i * perKeycode, (i + 1) * perKeycode));
  const isSpare = (row: readonly number[]) =>
    row.every((keysym) => keysym === 0 || (keysym & 0xffffff00) === VENDOR_SYMBOLS);
  return rows.flatMap((row, i) => (isSpare(row) ? [firstKeycode + i] : []));
}
