import { EngineError } from "../../error.ts";
import type { XConnection } from "./connection.ts";
import type { Frame } from "./frames.ts";
import { Packet } from "./packet.ts";

/** The size of the screen, read and changed while it runs (RANDR 1.3). */

const QUERY_VERSION = 0;
const SELECT_INPUT = 4;
const SET_SCREEN_SIZE = 7;
const CREATE_MODE = 16;
const ADD_OUTPUT_MODE = 18;
const GET_CRTC_INFO = 20;
const SET_CRTC_CONFIG = 21;
const GET_RESOURCES_CURRENT = 25;
const SCREEN_CHANGED = 1 << 0;
const DPI = 96;
const MILLIMETRES_PER_INCH = 25.4;

export interface ScreenSize {
  readonly width: number;
  readonly height: number;
}

interface Mode extends ScreenSize {
  readonly id: number;
}

interface Resources {
  readonly configTimestamp: number;
  readonly crtc: number;
  readonly output: number;
  readonly modes: readonly Mode[];
}

export class Screens {
  private constructor(
    readonly x: XConnection,
    readonly opcode: number,
    /** Code of the event that the screen has another size. */
    readonly screenChanged: number,
  ) {}

  /** @throws EngineError `unsupported` without the extension. */
  static async open(x: XConnection): Promise<Screens> {
    const { opcode, firstEvent } = await x.requireExtension("RANDR");
    await x.ask(new Packet(opcode, QUERY_VERSION).u32(1, 3));
    x.send(new Packet(opcode, SELECT_INPUT).u32(x.facts.root).u16(SCREEN_CHANGED, 0));
    return new Screens(x, opcode, firstEvent);
  }

  async size(): Promise<ScreenSize> {
    const { crtc, configTimestamp } = await this.#resources();
    const reply = await this.x.ask(new Packet(this.opcode, GET_CRTC_INFO).u32(crtc, configTimestamp));
    return { width: reply.u16(16), height: reply.u16(18) };
  }

  /** Sizes that the server offers by itself; any other within its bounds can be set as well. */
  async offered(): Promise<ScreenSize[]> {
    const { modes } = await this.#resources();
    const distinct = new Map(modes.map(({ width, height }) => [`${width}x${height}`, { width, height }]));
    return [...distinct.values()].toSorted((a, b) => b.width * b.height - a.width * a.height);
  }

  /** @throws EngineError `internal` when the server does not take the size. */
  async resize(size: ScreenSize): Promise<void> {
    const now = await this.size();
    const resources = await this.#resources();
    const same = (mode: Mode) => mode.width === size.width && mode.height === size.height;
    const mode = resources.modes.find(same)?.id ?? (await this.#createMode(size, resources.output));
    // The screen must hold the old picture and the new one while the output changes from one to the other.
    this.#setScreenSize({
      width: Math.max(now.width, size.width),
      height: Math.max(now.height, size.height),
    });
    await this.#setMode(resources, mode);
    this.#setScreenSize(size);
    await this.x.sync();
  }

  #setScreenSize({ width, height }: ScreenSize): void {
    const millimetres = (pixels: number) => Math.round((pixels / DPI) * MILLIMETRES_PER_INCH);
    this.x.send(
      new Packet(this.opcode, SET_SCREEN_SIZE)
        .u32(this.x.facts.root)
        .u16(width, height)
        .u32(millimetres(width), millimetres(height)),
    );
  }

  async #setMode({ crtc, output, configTimestamp }: Resources, mode: number): Promise<void> {
    const UNROTATED = 1;
    const packet = new Packet(this.opcode, SET_CRTC_CONFIG).u32(crtc, 0, configTimestamp);
    const reply = await this.x.ask(packet.i16(0, 0).u32(mode).u16(UNROTATED, 0).u32(output));
    if (reply.u8(1) === 0) return;
    throw new EngineError("internal", `The display did not take the size: RANDR status ${reply.u8(1)}`);
  }

  async #createMode({ width, height }: ScreenSize, output: number): Promise<number> {
    const name = `${width}x${height}`;
    const HERTZ = 60;
    const timings = new Packet(this.opcode, CREATE_MODE).u32(this.x.facts.root, 0).u16(width, height);
    timings.u32(width * height * HERTZ).u16(width, width, width, 0, height, height, height, name.length);
    const reply = await this.x.ask(timings.u32(0).text(name));
    const mode = reply.u32(8);
    await this.x.check(new Packet(this.opcode, ADD_OUTPUT_MODE).u32(output, mode));
    return mode;
  }

  async #resources(): Promise<Resources> {
    const packet = new Packet(this.opcode, GET_RESOURCES_CURRENT).u32(this.x.facts.root);
    return readResources(await this.x.ask(packet));
  }
}

function readResources(reply: Frame): Resources {
  const [crtcs, outputs, modes] = [reply.u16(16), reply.u16(18), reply.u16(20)];
  const outputsAt = 32 + 4 * crtcs;
  const modesAt = outputsAt + 4 * outputs;
  return {
    configTimestamp: reply.u32(12),
    crtc: reply.u32(32),
    output: reply.u32(outputsAt),
    modes: Array.from({ length: modes }, (_, i) => {
      const at = modesAt + 32 * i;
      return { id: reply.u32(at), width: reply.u16(at + 4), height: reply.u16(at + 6) };
    }),
  };
}
