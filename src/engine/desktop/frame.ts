import type { XConnection } from "./x11/connection.ts";
import { getImage, type Rectangle } from "./x11/core.ts";
import type { CursorImage } from "./x11/xfixes.ts";

/** A picture as the display has it: four bytes a pixel, blue, green, red and one unused, rows from the top. */
export interface RawFrame {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** @throws EngineError `internal` when the area is not all on the screen. */
export async function grab(x: XConnection, area: Rectangle): Promise<RawFrame> {
  const pixels = await getImage(x, x.facts.root, area);
  return { width: area.width, height: area.height, pixels };
}

/** Lays the pointer over a picture of `area`. */
export function drawCursor(frame: RawFrame, area: Rectangle, cursor: CursorImage): void {
  for (let row = 0; row < cursor.height; row++) {
    const y = cursor.y + row - area.y;
    if (y < 0 || y >= frame.height) continue;
    for (let column = 0; column < cursor.width; column++) {
      const x = cursor.x + column - area.x;
      if (x < 0 || x >= frame.width) continue;
      blend(frame.pixels, 4 * (y * frame.width + x), cursor.pixels, 4 * (row * cursor.width + column));
    }
  }
}

/** The source is premultiplied with its alpha. */
function blend(target: Uint8Array, at: number, source: Uint8Array, from: number): void {
  const through = 255 - (source[from + 3] ?? 0);
  for (let i = 0; i < 3; i++) {
    const under = target[at + i] ?? 0;
    target[at + i] = (source[from + i] ?? 0) + Math.round((under * through) / 255);
  }
}

/** Fills a rectangle with one colour, `0xRRGGBB`, as far as it is inside. */
export function fill(frame: RawFrame, area: Rectangle, color: number): void {
  const fromX = Math.max(0, area.x);
  const toX = Math.min(frame.width, area.x + area.width);
  const toY = Math.min(frame.height, area.y + area.height);
  for (let y = Math.max(0, area.y); y < toY; y++) {
    for (let x = fromX; x < toX; x++) {
      const at = 4 * (y * frame.width + x);
      frame.pixels[at] = color & 0xff;
      frame.pixels[at + 1] = (color >> 8) & 0xff;
      frame.pixels[at + 2] = (color >> 16) & 0xff;
    }
  }
}
