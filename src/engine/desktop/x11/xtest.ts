import type { XConnection } from "./connection.ts";
import { Packet } from "./packet.ts";

/** Input as from real devices (XTEST 2.2). */

const FAKE_INPUT = 2;
const EVENTS = { keyDown: 2, keyUp: 3, buttonDown: 4, buttonUp: 5, motion: 6 } as const;

export type FakeEvent = keyof typeof EVENTS;

export class FakeInput {
  private constructor(
    readonly x: XConnection,
    readonly opcode: number,
  ) {}

  /** @throws EngineError `unsupported` without the extension. */
  static async open(x: XConnection): Promise<FakeInput> {
    return new FakeInput(x, (await x.requireExtension("XTEST")).opcode);
  }

  /** @param detail The keycode, or the number of the button. */
  send(event: Exclude<FakeEvent, "motion">, detail: number): void {
    this.#fake(EVENTS[event], detail, 0, 0);
  }

  /** Moves the pointer to a place on the screen. */
  move(x: number, y: number): void {
    this.#fake(EVENTS.motion, 0, x, y);
  }

  #fake(type: number, detail: number, x: number, y: number): void {
    const packet = new Packet(this.opcode, FAKE_INPUT).u8(type, detail).skip(2).u32(0);
    this.x.send(
      packet
        .u32(type === EVENTS.motion ? this.x.facts.root : 0)
        .skip(8)
        .i16(x, y)
        .skip(8),
    );
  }
}
