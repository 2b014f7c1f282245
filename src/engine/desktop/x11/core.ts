import type { XConnection } from "./connection.ts";
import type { Frame } from "./frames.ts";
import { Packet } from "./packet.ts";

/** The few requests of the core protocol (X11 protocol, appendix B) that the desktop needs, one function each. */

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Property {
  readonly type: number;
  /** 8, 16 or 32 bits an item; 0 when there is no such property. */
  readonly format: number;
  readonly data: Uint8Array;
}

/** Codes of events. */
export const EVENT = {
  destroyNotify: 17,
  propertyNotify: 28,
  selectionClear: 29,
  selectionRequest: 30,
  selectionNotify: 31,
  mappingNotify: 34,
} as const;

/** What a client asks to be told of. */
export const EVENT_MASK = {
  structure: 1 << 17,
  substructure: 1 << 19,
  substructureRedirect: 1 << 20,
  property: 1 << 22,
} as const;

const CURRENT_TIME = 0;
const COPY_FROM_PARENT = 0;
const INPUT_ONLY = 2;
const Z_PIXMAP = 2;
const ALL_PLANES = 0xffffffff;
const ANY_TYPE = 0;
/** Properties are read whole; a longer one is none of a window manager's. */
const MOST_PROPERTY_WORDS = 1 << 20;
const REPLY_HEAD = 32;

const atoms = new WeakMap<XConnection, Map<string, Promise<number>>>();

/** The server's number of a name; asked once for each connection. */
export function atom(x: XConnection, name: string): Promise<number> {
  const known = atoms.get(x) ?? new Map<string, Promise<number>>();
  atoms.set(x, known);
  const number =
    known.get(name) ?? x.ask(new Packet(16).u16(name.length, 0).text(name)).then((reply) => reply.u32(8));
  known.set(name, number);
  return number;
}

export async function atomName(x: XConnection, number: number): Promise<string> {
  const reply = await x.ask(new Packet(17).u32(number));
  return new TextDecoder().decode(reply.bytes.subarray(REPLY_HEAD, REPLY_HEAD + reply.u16(8)));
}

/** @throws EngineError `not_found` when there is no such window. */
export async function getProperty(
  x: XConnection,
  window: number,
  name: string,
  options: { readonly remove?: boolean } = {},
): Promise<Property> {
  const packet = new Packet(20, options.remove === true ? 1 : 0);
  packet.u32(window, await atom(x, name), ANY_TYPE, 0, MOST_PROPERTY_WORDS);
  const reply = await x.ask(packet);
  const format = reply.u8(1);
  const length = (reply.u32(16) * format) / 8;
  return { format, type: reply.u32(8), data: reply.bytes.subarray(REPLY_HEAD, REPLY_HEAD + length) };
}

/** A property of numbers (cardinals, windows, atoms); empty when there is none. */
export async function getNumbers(x: XConnection, window: number, name: string): Promise<number[]> {
  const { format, data } = await getProperty(x, window, name);
  if (format !== 32) return [];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 4 }, (_, i) => view.getUint32(4 * i, true));
}

/** A property of text, UTF-8 or Latin-1 as its type says; empty when there is none. */
export async function getText(x: XConnection, window: number, name: string): Promise<string> {
  const { type, data } = await getProperty(x, window, name);
  const isUtf8 = type === (await atom(x, "UTF8_STRING"));
  return new TextDecoder(isUtf8 ? "utf-8" : "latin1").decode(data);
}

export async function changeProperty(
  x: XConnection,
  window: number,
  name: string,
  value: { readonly type: string; readonly format: 8 | 32; readonly data: Uint8Array },
): Promise<void> {
  const [property, type] = await Promise.all([atom(x, name), atom(x, value.type)]);
  putProperty(x, window, property, { ...value, type });
}

/** As `changeProperty`, with the server's numbers. */
export function putProperty(x: XConnection, window: number, property: number, value: Property): void {
  const items = (value.data.byteLength * 8) / value.format;
  x.send(
    new Packet(18, 0)
      .u32(window, property, value.type)
      .u8(value.format, 0, 0, 0)
      .u32(items)
      .bytes(value.data),
  );
}

/** Numbers as the bytes of a property. */
export function numberBytes(...numbers: readonly number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(numbers).buffer);
}

export interface Geometry extends Rectangle {
  readonly depth: number;
}

/** Where a window is on the screen, without its frame. @throws EngineError `not_found`. */
export async function getGeometry(x: XConnection, window: number): Promise<Geometry> {
  const [size, place] = await Promise.all([
    x.ask(new Packet(14).u32(window)),
    x.ask(new Packet(40).u32(window, x.facts.root).i16(0, 0)),
  ]);
  return {
    x: place.i16(12),
    y: place.i16(14),
    width: size.u16(16),
    height: size.u16(18),
    depth: size.u8(1),
  };
}

/**
 * Where the outermost window around a window is, with its border: the frame that a window manager has put
 * around it, or the window itself. @throws EngineError `not_found`.
 */
export async function getOutline(x: XConnection, window: number): Promise<Rectangle> {
  let outer = window;
  for (;;) {
    const parent = await getParent(x, outer);
    if (parent === x.facts.root || parent === 0) break;
    outer = parent;
  }
  const reply = await x.ask(new Packet(14).u32(outer));
  const border = reply.u16(20);
  return {
    x: reply.i16(12),
    y: reply.i16(14),
    width: reply.u16(16) + 2 * border,
    height: reply.u16(18) + 2 * border,
  };
}

/** Whether a window is on the screen or would be if nothing covered it. @throws EngineError `not_found`. */
export async function isViewable(x: XConnection, window: number): Promise<boolean> {
  return (await x.ask(new Packet(3).u32(window))).u8(26) === 2;
}

export async function getParent(x: XConnection, window: number): Promise<number> {
  return (await x.ask(new Packet(15).u32(window))).u32(12);
}

/** Adds events to what this client is told of a window. */
export function selectEvents(x: XConnection, window: number, mask: number): void {
  const EVENT_MASK_ATTRIBUTE = 1 << 11;
  x.send(new Packet(2).u32(window, EVENT_MASK_ATTRIBUTE, mask));
}

/** A window that is never shown, to own selections with. */
export function createHiddenWindow(x: XConnection): number {
  const id = x.newId();
  const EVENT_MASK_ATTRIBUTE = 1 << 11;
  x.send(
    new Packet(1)
      .u32(id, x.facts.root)
      .i16(-10, -10)
      .u16(1, 1, 0, INPUT_ONLY)
      .u32(COPY_FROM_PARENT, EVENT_MASK_ATTRIBUTE, EVENT_MASK.property),
  );
  return id;
}

export function destroyWindow(x: XConnection, window: number): void {
  x.send(new Packet(4).u32(window));
}

/** Fills the bare screen with one colour, `0xRRGGBB`. */
export function paintRoot(x: XConnection, color: number): void {
  const BACK_PIXEL = 1 << 1;
  x.send(new Packet(2).u32(x.facts.root, BACK_PIXEL, color));
  x.send(new Packet(61).u32(x.facts.root).i16(0, 0).u16(0, 0));
}

/** The pixels of a part of a window: four bytes each, blue, green, red and one unused, rows from the top. */
export async function getImage(x: XConnection, drawable: number, area: Rectangle): Promise<Uint8Array> {
  const packet = new Packet(73, Z_PIXMAP)
    .u32(drawable)
    .i16(area.x, area.y)
    .u16(area.width, area.height)
    .u32(ALL_PLANES);
  const reply = await x.ask(packet);
  return reply.bytes.subarray(REPLY_HEAD, REPLY_HEAD + 4 * area.width * area.height);
}

export interface PointerState {
  readonly x: number;
  readonly y: number;
  /** Modifiers and buttons that are down; the keyboard group in bits 13 and 14. */
  readonly mask: number;
}

export async function queryPointer(x: XConnection): Promise<PointerState> {
  const reply = await x.ask(new Packet(38).u32(x.facts.root));
  return { x: reply.i16(16), y: reply.i16(18), mask: reply.u16(24) };
}

/** Sends a message of the window manager's protocol to the root window (EWMH). */
export async function sendToRoot(
  x: XConnection,
  window: number,
  type: string,
  data: readonly number[],
): Promise<void> {
  const CLIENT_MESSAGE = 33;
  const event = new Packet(CLIENT_MESSAGE, 32).u32(window, await atom(x, type));
  event.u32(...Array.from({ length: 5 }, (_, i) => (data[i] ?? 0) >>> 0));
  const bytes = event.finish();
  bytes.fill(0, 2, 4);
  await x.check(sendEvent(x.facts.root, EVENT_MASK.substructure | EVENT_MASK.substructureRedirect, bytes));
}

export function sendEvent(destination: number, mask: number, event: Uint8Array): Packet {
  return new Packet(25, 0).u32(destination, mask).bytes(event);
}

export function setSelectionOwner(x: XConnection, owner: number, selection: number): void {
  x.send(new Packet(22).u32(owner, selection, CURRENT_TIME));
}

export async function getSelectionOwner(x: XConnection, selection: number): Promise<number> {
  return (await x.ask(new Packet(23).u32(selection))).u32(8);
}

export function convertSelection(
  x: XConnection,
  requestor: number,
  what: { readonly selection: number; readonly target: number; readonly property: number },
): void {
  x.send(new Packet(24).u32(requestor, what.selection, what.target, what.property, CURRENT_TIME));
}

/** Settles with the first event that `pick` takes; undefined when none came in time. */
export function nextEvent<T>(
  x: XConnection,
  timeoutMs: number,
  pick: (event: Frame) => T | undefined,
): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T | undefined>();
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  const listening = x.listen((event) => {
    const picked = pick(event);
    if (picked !== undefined) resolve(picked);
  });
  void x.closed.then(() => resolve(undefined));
  return promise.finally(() => {
    clearTimeout(timer);
    listening[Symbol.dispose]();
  });
}
