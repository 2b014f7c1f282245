import type { Element } from "./accessibility.ts";
import { drawNumber, numberSize } from "./digits.ts";
import { fill, type RawFrame } from "./frame.ts";
import type { Rectangle } from "./x11/core.ts";

/** An element with the number that stands at it in the picture. */
export interface Mark {
  readonly number: number;
  readonly element: Element;
  readonly bounds: Rectangle;
}

/** A picture with more numbers than this shows nothing else. */
const MOST_MARKS = 200;
/** Neighbours have other colours, so that a number is not taken for the next one's. */
const COLORS = [0xd32f2f, 0x1976d2, 0x2e7d32, 0x7b1fa2, 0xe65100, 0x00838f];
const WHITE = 0xffffff;
const DOT = 3;
const PADDING = 3;
const LINE = 2;

/** Numbers the elements that are on the screen, in the order given. */
export function numberElements(elements: readonly Element[], screen: Rectangle): Mark[] {
  const visible = elements.flatMap((element) => {
    const bounds = element.bounds && intersect(element.bounds, screen);
    return bounds ? [{ element, bounds }] : [];
  });
  return visible.slice(0, MOST_MARKS).map((one, index) => ({ number: index + 1, ...one }));
}

/** Draws a frame around each element and its number at the corner. */
export function drawMarks(frame: RawFrame, marks: readonly Mark[]): void {
  for (const mark of marks) outline(frame, mark.bounds, colorOf(mark));
  // After all frames: no number is crossed out by a neighbour's.
  for (const mark of marks) label(frame, mark);
}

function outline(frame: RawFrame, { x, y, width, height }: Rectangle, color: number): void {
  fill(frame, { x, y, width, height: LINE }, color);
  fill(frame, { x, y: y + height - LINE, width, height: LINE }, color);
  fill(frame, { x, y, width: LINE, height }, color);
  fill(frame, { x: x + width - LINE, y, width: LINE, height }, color);
}

/** Above the element where there is room, so that what it says can be read. */
function label(frame: RawFrame, mark: Mark): void {
  const size = numberSize(mark.number, DOT);
  const width = size.width + 2 * PADDING;
  const height = size.height + 2 * PADDING;
  const above = mark.bounds.y - height + LINE;
  const y = above >= 0 ? above : mark.bounds.y;
  const x = Math.max(0, Math.min(mark.bounds.x, frame.width - width));
  fill(frame, { x, y, width, height }, colorOf(mark));
  drawNumber(frame, mark.number, { x: x + PADDING, y: y + PADDING }, { dot: DOT, color: WHITE });
}

function colorOf({ number }: Mark): number {
  return COLORS[number % COLORS.length] ?? 0;
}

function intersect(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - x;
  const height = Math.min(a.y + a.height, b.y + b.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : undefined;
}
