import { clientSettled } from "./settled.ts";
import type { XConnection } from "./x11/connection.ts";
import { changeKeyboardMap, type KeyboardMap } from "./x11/keyboard-map.ts";

/** Keys of machines that no sandbox has (volume, mail, battery): their symbols begin with this. */
const VENDOR_SYMBOLS = 0x1008ff00;
/**
 * The keys with these are left alone: Chromium may still take a key for what it was, or go by its place, whatever
 * it has been given, and then goes back, loads the page again or cuts (back, forward, stop, refresh, reload, home,
 * search, favourites, web, close, cut, copy, paste).
 */
const COMMAND_SYMBOLS: ReadonlySet<number> = new Set(
  [0x26, 0x27, 0x28, 0x29, 0x73, 0x18, 0x1b, 0x30, 0x2e, 0x56, 0x58, 0x57, 0x6d].map(
    (low) => VENDOR_SYMBOLS | low,
  ),
);

/**
 * Keys that stand for nothing, or for what no sandbox has, and can be given any symbol. There are nearly a
 * hundred; the ones given or used longest ago are taken first. A program looks a key event up in its own copy of the table
 * when it comes to the event, so it is waited for on both sides of a change: before, until it has read everything
 * typed with a key that is given again; after, until it has come
 * to the change.
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

  /**
   * Gives keys to as many of the symbols as there are keys, beginning with the first, all at once: every program
   * reads the whole table again for each change. Symbols of them that have a key keep it.
   */
  async give(keysyms: readonly number[], map: KeyboardMap): Promise<void> {
    this.#free ??= spareKeycodes(map);
    const wanted = new Set([...new Set(keysyms)].slice(0, this.#free.length + this.#given.size));
    const missing = [...wanted].filter((keysym) => this.strokeOf(keysym, map) === undefined);
    for (const keysym of missing) this.#forget(keysym);
    const symbolOf = this.#assign(missing, wanted);
    if ([...symbolOf.keys()].some((keycode) => this.#unread.has(keycode))) await this.settle();
    for (const run of consecutive([...symbolOf.keys()])) {
      const [first = 0] = run;
      // Both levels: a capital letter alone would be taken for the second half of a pair.
      const rows = run.map((keycode) => Array<number>(2).fill(symbolOf.get(keycode) ?? 0));
      await changeKeyboardMap(this.#x, first, rows);
    }
    await clientSettled(this.#x);
    this.#unread.clear();
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

  /** Chooses a key for each symbol while there are any; gives the symbol by keycode. */
  #assign(missing: readonly number[], wanted: ReadonlySet<number>): Map<number, number> {
    const symbolOf = new Map<number, number>();
    for (const keysym of missing) {
      const keycode = this.#free?.pop() ?? this.#takeOldest(wanted);
      if (keycode === undefined) break;
      symbolOf.set(keycode, keysym);
      this.#given.set(keysym, keycode);
    }
    return symbolOf;
  }

  /** It was given a key once, which another layout has taken back. */
  #forget(keysym: number): void {
    const keycode = this.#given.get(keysym);
    if (keycode === undefined) return;
    this.#given.delete(keysym);
    this.#free?.push(keycode);
  }

  #takeOldest(wanted: ReadonlySet<number>): number | undefined {
    for (const [keysym, keycode] of this.#given) {
      if (wanted.has(keysym)) continue;
      this.#given.delete(keysym);
      return keycode;
    }
    return undefined;
  }
}

/** The keys without a meaning at the end: they are taken first, and do no harm to a program that lags behind. */
function spareKeycodes({ firstKeycode, perKeycode, symbols }: KeyboardMap): number[] {
  const count = symbols.length / perKeycode;
  const rows = Array.from({ length: count }, (_, i) => ({
    keycode: firstKeycode + i,
    symbols: symbols.slice(i * perKeycode, (i + 1) * perKeycode),
  }));
  const isEmpty = (row: readonly number[]) => row.every((keysym) => keysym === 0);
  const isHarmless = (keysym: number) =>
    keysym === 0 || ((keysym & 0xffffff00) === VENDOR_SYMBOLS && !COMMAND_SYMBOLS.has(keysym));
  const isVendors = (row: readonly number[]) => !isEmpty(row) && row.every(isHarmless);
  return [isVendors, isEmpty].flatMap((isSpare) =>
    rows.filter((row) => isSpare(row.symbols)).map((row) => row.keycode),
  );
}

/** Numbers in order, split where one is left out. */
function consecutive(numbers: readonly number[]): number[][] {
  const runs: number[][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run?.at(-1) === number - 1) run.push(number);
    else runs.push([number]);
  }
  return runs;
}
