import { EngineError } from "../error.ts";
import { KEY, keysymNamed, keysymOfCharacter } from "./keysyms.ts";
import { SpareKeys } from "./spare-keys.ts";
import { pause, refuseGone } from "./turns.ts";
import { EVENT, queryPointer } from "./x11/core.ts";
import { readKeyboardMap, type KeyboardMap } from "./x11/keyboard-map.ts";
import type { FakeInput } from "./x11/xtest.ts";

interface Stroke {
  readonly keycode: number;
  readonly needsShift: boolean;
}

const LOCK_MASK = 1 << 1;
/** Groups whose symbols are in the first columns of the table (XKB protocol, 17.1.3). */
const PLAIN_GROUPS = 2;
/** Characters between two looks at whether somebody still waits. */
const STRETCH = 32;
/** Characters looked at when spare keys are given, so that as few changes as possible do for a text. */
const AHEAD = 1024;

/**
 * The keyboard, by symbols and not by keys: what the layout has is typed with its keys, everything else with
 * spare keys that are given the symbol first. Its caller lets one thing be done at a time.
 */
export class Keyboard {
  readonly #fake: FakeInput;
  readonly #spare: SpareKeys;
  readonly #held = new Map<number, string>();
  #map: KeyboardMap | undefined;

  constructor(fake: FakeInput) {
    this.#fake = fake;
    this.#spare = new SpareKeys(fake.x);
    fake.x.listen((event) => {
      if (event.code === EVENT.mappingNotify) this.#map = undefined;
    });
  }

  /**
   * Types text as it is, whatever the layout and the locks.
   * @throws EngineError `invalid` for control characters; nothing has been typed then.
   */
  async type(text: string, delayMs: number, signal?: AbortSignal): Promise<void> {
    const keysyms = Array.from(text.replaceAll("\r\n", "\n"), keysymOfCharacter);
    const isLocked = ((await queryPointer(this.#fake.x)).mask & LOCK_MASK) !== 0;
    if (isLocked) await this.#tap(KEY.capsLock);
    try {
      let at = 0;
      while (at < keysyms.length)
        at += await this.#typeStretch(keysyms.slice(at, at + AHEAD), delayMs, signal);
    } finally {
      if (isLocked) await this.#tap(KEY.capsLock);
      // Whoever changes the layout next must not change what has been typed.
      await this.#spare.settle();
      await this.#fake.x.sync();
    }
  }

  /** Presses keys by name together, and lets go in reverse order. @throws EngineError `invalid` for a name. */
  async press(names: readonly string[], holdMs = 0, signal?: AbortSignal): Promise<void> {
    const keysyms = names.map((name) => keysymNamed(names.length > 1 ? plainLetter(name) : name));
    const strokes = await this.#strokes(keysyms);
    const shift = await this.#keycodeOf(KEY.shift);
    const pressed: number[] = [];
    const down = (keycode: number) => {
      pressed.push(keycode);
      this.#fake.send("keyDown", keycode);
    };
    try {
      for (const { keycode, needsShift } of strokes) {
        if (needsShift && !pressed.includes(shift)) down(shift);
        down(keycode);
      }
      await this.#fake.x.sync();
      await pause(holdMs, signal);
    } finally {
      for (const keycode of pressed.reverse()) this.#fake.send("keyUp", keycode);
      await this.#fake.x.sync();
    }
  }

  /** Holds a key down until `up` or `release`. @throws EngineError `invalid` for a name. */
  async down(name: string): Promise<void> {
    const keycode = await this.#keycodeOf(keysymNamed(plainLetter(name)));
    this.#held.set(keycode, name);
    this.#fake.send("keyDown", keycode);
    await this.#fake.x.sync();
  }

  /** @throws EngineError `invalid` for a name. */
  async up(name: string): Promise<void> {
    const keycode = await this.#keycodeOf(keysymNamed(plainLetter(name)));
    this.#held.delete(keycode);
    this.#fake.send("keyUp", keycode);
    await this.#fake.x.sync();
  }

  /** Lets go of every key that is held down. */
  release(): void {
    for (const keycode of this.#held.keys()) this.#fake.send("keyUp", keycode);
    this.#held.clear();
  }

  /** Types the beginning of what is ahead; gives how much that was. */
  async #typeStretch(keysyms: readonly number[], delayMs: number, signal?: AbortSignal): Promise<number> {
    refuseGone(signal);
    const strokes = await this.#strokes(keysyms.slice(0, STRETCH), keysyms);
    const shift = await this.#keycodeOf(KEY.shift);
    for (const { keycode, needsShift } of strokes) {
      if (needsShift) this.#fake.send("keyDown", shift);
      this.#fake.send("keyDown", keycode);
      this.#fake.send("keyUp", keycode);
      if (needsShift) this.#fake.send("keyUp", shift);
      await pause(delayMs, signal);
    }
    this.#spare.used(strokes.map(({ keycode }) => keycode));
    return strokes.length;
  }

  async #tap(keysym: number): Promise<void> {
    const keycode = await this.#keycodeOf(keysym);
    this.#fake.send("keyDown", keycode);
    this.#fake.send("keyUp", keycode);
  }

  async #keycodeOf(keysym: number): Promise<number> {
    const [stroke] = await this.#strokes([keysym]);
    if (stroke) return stroke.keycode;
    throw new EngineError("internal", `There is no key left for symbol ${keysym}`);
  }

  /** @param ahead What is typed next, beginning with `keysyms`: spare keys are given for it at the same time. */
  async #strokes(keysyms: readonly number[], ahead = keysyms): Promise<Stroke[]> {
    const group = ((await queryPointer(this.#fake.x)).mask >> 13) & 3;
    const onLayout = (keysym: number, map: KeyboardMap) =>
      group < PLAIN_GROUPS ? findStroke(map, keysym, group) : undefined;
    const find = (keysym: number, map: KeyboardMap) =>
      this.#spare.strokeOf(keysym, map) ?? onLayout(keysym, map);
    let map = (this.#map ??= await readKeyboardMap(this.#fake.x));
    if (keysyms.some((keysym) => find(keysym, map) === undefined)) {
      const before = map;
      // Symbols that have a spare key are among them, so that they keep it.
      const spared = [...new Set(ahead)].filter(
        (keysym) => this.#spare.strokeOf(keysym, before) ?? onLayout(keysym, before) === undefined,
      );
      await this.#spare.give(spared, map);
      map = this.#map = await readKeyboardMap(this.#fake.x);
    }
    return keysyms.map((keysym) => {
      const stroke = find(keysym, map);
      if (stroke) return stroke;
      throw new EngineError("internal", `Cannot type: the keyboard has no spare key for symbol ${keysym}`);
    });
  }
}

/** The key of the layout in force that gives a symbol, alone or with Shift. */
function findStroke(map: KeyboardMap, keysym: number, group: number): Stroke | undefined {
  for (const level of [0, 1]) {
    for (let at = 2 * group + level; at < map.symbols.length; at += map.perKeycode) {
      if (map.symbols[at] !== keysym) continue;
      return { keycode: map.firstKeycode + Math.floor(at / map.perKeycode), needsShift: level === 1 };
    }
  }
  return undefined;
}

/** "Ctrl+C" means the key, not the capital letter: whoever wants Shift names it. */
function plainLetter(name: string): string {
  return /^[A-Z]$/.test(name) ? name.toLowerCase() : name;
}
