import type { XConnection } from "./connection.ts";
import { Packet } from "./packet.ts";

/** The keyboard's table: for each keycode the symbols of its groups and levels. */
export interface KeyboardMap {
  readonly firstKeycode: number;
  readonly perKeycode: number;
  /** `perKeycode` symbols for each keycode from `firstKeycode` on; 0 is none. */
  readonly symbols: readonly number[];
}

export async function readKeyboardMap(x: XConnection): Promise<KeyboardMap> {
  const { firstKeycode, lastKeycode } = x.facts;
  const count = lastKeycode - firstKeycode + 1;
  const reply = await x.ask(new Packet(101).u8(firstKeycode, count));
  const perKeycode = reply.u8(1);
  return { firstKeycode, perKeycode, symbols: reply.list32(32, perKeycode * count) };
}

/** Gives consecutive keycodes new symbols; every client is told before the next key event reaches it. */
export async function changeKeyboardMap(
  x: XConnection,
  firstKeycode: number,
  keys: readonly (readonly number[])[],
): Promise<void> {
  const perKeycode = Math.max(...keys.map((symbols) => symbols.length));
  const packet = new Packet(100, keys.length).u8(firstKeycode, perKeycode, 0, 0);
  for (const symbols of keys)
    packet.u32(...Array.from({ length: perKeycode }, (_, level) => symbols[level] ?? 0));
  await x.check(packet);
}

/** The keycodes of each of the eight modifiers (Shift, Lock, Control, Mod1 to Mod5). */
export async function readModifiers(x: XConnection): Promise<number[][]> {
  const reply = await x.ask(new Packet(119));
  const each = reply.u8(1);
  return Array.from({ length: 8 }, (_, i) =>
    [...reply.bytes.subarray(32 + i * each, 32 + (i + 1) * each)].filter((keycode) => keycode !== 0),
  );
}
