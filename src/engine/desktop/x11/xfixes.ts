import type { XConnection } from "./connection.ts";
import type { Rectangle } from "./core.ts";
import { Packet } from "./packet.ts";

/** The pointer's picture and changes of selections (XFIXES 4). */

const QUERY_VERSION = 0;
const SELECT_SELECTION_INPUT = 2;
const GET_CURSOR_IMAGE = 4;
const OWNER_CHANGED = 1 << 0;

export interface CursorImage extends Rectangle {
  /** Four bytes a pixel, blue, green, red and alpha, premultiplied; rows from the top. */
  readonly pixels: Uint8Array;
}

export class Fixes {
  private constructor(
    readonly x: XConnection,
    readonly opcode: number,
    /** Code of the event that a selection has another owner. */
    readonly selectionNotify: number,
  ) {}

  /** @throws EngineError `unsupported` without the extension. */
  static async open(x: XConnection): Promise<Fixes> {
    const { opcode, firstEvent } = await x.requireExtension("XFIXES");
    await x.ask(new Packet(opcode, QUERY_VERSION).u32(4, 0));
    return new Fixes(x, opcode, firstEvent);
  }

  /** The pointer as it looks, at its place on the screen. */
  async cursor(): Promise<CursorImage> {
    const reply = await this.x.ask(new Packet(this.opcode, GET_CURSOR_IMAGE));
    const [width, height] = [reply.u16(12), reply.u16(14)];
    return {
      x: reply.i16(8) - reply.u16(16),
      y: reply.i16(10) - reply.u16(18),
      width,
      height,
      pixels: reply.bytes.subarray(32, 32 + 4 * width * height),
    };
  }

  /** Asks to be told when a selection gets another owner. */
  watchSelection(window: number, selection: number): void {
    this.x.send(new Packet(this.opcode, SELECT_SELECTION_INPUT).u32(window, selection, OWNER_CHANGED));
  }
}
