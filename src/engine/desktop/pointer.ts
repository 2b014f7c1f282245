import { EngineError } from "../error.ts";
import { queryPointer } from "./x11/core.ts";
import type { ScreenSize } from "./x11/randr.ts";
import type { FakeInput } from "./x11/xtest.ts";
import { pause } from "./turns.ts";

/** Numbers of the core protocol; a wheel is four buttons. */
export const BUTTONS = { left: 1, middle: 2, right: 3, back: 8, forward: 9 } as const;
export type Button = keyof typeof BUTTONS;

const WHEEL = { up: 4, down: 5, left: 6, right: 7 } as const;
export type Direction = keyof typeof WHEEL;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Drag {
  readonly from: Point;
  readonly to: Point;
  readonly button: Button;
  /** Places the pointer visits on its way; toolkits take a jump for no drag at all. */
  readonly steps: number;
  /** Between two of them. */
  readonly stepMs: number;
}

/** A toolkit that sees the press and the first motion at once may not begin to drag. */
const GRIP_MS = 20;

/** The mouse. Its caller lets one thing be done at a time. */
export class Pointer {
  readonly #held = new Set<Button>();

  constructor(
    readonly fake: FakeInput,
    readonly screen: () => Promise<ScreenSize>,
  ) {}

  async position(): Promise<Point> {
    const { x, y } = await queryPointer(this.fake.x);
    return { x, y };
  }

  /** @throws EngineError `invalid` for a place outside the screen. */
  async move(to: Point): Promise<void> {
    await this.#require(to);
    this.fake.move(to.x, to.y);
    await this.fake.x.sync();
  }

  /** Where the pointer is, or at a place. @throws EngineError as `move`. */
  async click(at: Point | undefined, button: Button, count: number): Promise<void> {
    if (at) await this.move(at);
    for (let i = 0; i < count; i++) {
      this.fake.send("buttonDown", BUTTONS[button]);
      this.fake.send("buttonUp", BUTTONS[button]);
    }
    this.#held.delete(button);
    await this.fake.x.sync();
  }

  /** Stays down until `up` or `release`. @throws EngineError as `move`. */
  async down(at: Point | undefined, button: Button): Promise<void> {
    if (at) await this.move(at);
    this.#held.add(button);
    this.fake.send("buttonDown", BUTTONS[button]);
    await this.fake.x.sync();
  }

  async up(at: Point | undefined, button: Button): Promise<void> {
    if (at) await this.move(at);
    this.#held.delete(button);
    this.fake.send("buttonUp", BUTTONS[button]);
    await this.fake.x.sync();
  }

  /** The button is up again at the end, also after an abort. @throws EngineError as `move`. */
  async drag({ from, to, button, steps, stepMs }: Drag, signal?: AbortSignal): Promise<void> {
    await this.#require(to);
    await this.down(from, button);
    try {
      await pause(GRIP_MS, signal);
      for (let step = 1; step <= steps; step++) {
        const along = (a: number, b: number) => Math.round(a + ((b - a) * step) / steps);
        await this.move({ x: along(from.x, to.x), y: along(from.y, to.y) });
        await pause(stepMs, signal);
      }
      await pause(GRIP_MS, signal);
    } finally {
      await this.up(undefined, button);
    }
  }

  /** Turns the wheel by so many notches. @throws EngineError as `move`. */
  async scroll(at: Point | undefined, direction: Direction, notches: number): Promise<void> {
    if (at) await this.move(at);
    for (let i = 0; i < notches; i++) {
      this.fake.send("buttonDown", WHEEL[direction]);
      this.fake.send("buttonUp", WHEEL[direction]);
    }
    await this.fake.x.sync();
  }

  /** Lets go of every button that is held down. */
  release(): void {
    for (const button of this.#held) this.fake.send("buttonUp", BUTTONS[button]);
    this.#held.clear();
  }

  async #require({ x, y }: Point): Promise<void> {
    const { width, height } = await this.screen();
    if (x >= 0 && y >= 0 && x < width && y < height) return;
    throw new EngineError("invalid", `The point ${x}, ${y} is outside the screen of ${width}x${height}`, {
      details: { x, y, width, height },
    });
  }
}

/** A point of a picture of the screen that had another size, on the screen. */
export function unscale(point: Point, picture: ScreenSize, screen: ScreenSize): Point {
  const scaled = (at: number, from: number, to: number) =>
    Math.min(Math.floor(((at + 0.5) * to) / from), at < from ? to - 1 : Number.MAX_SAFE_INTEGER);
  return {
    x: scaled(point.x, picture.width, screen.width),
    y: scaled(point.y, picture.height, screen.height),
  };
}
