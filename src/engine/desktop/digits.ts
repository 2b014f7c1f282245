import { fill, type RawFrame } from "./frame.ts";

/** Digits of three by five dots, a row each from the top, the left dot as the highest bit. */
const DOTS = ["75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757", "75717"];
const COLUMNS = 3;
const ROWS = 5;

/** How large a number is when it is drawn, with one dot between digits. */
export function numberSize(number: number, dot: number): { width: number; height: number } {
  const { length } = String(number);
  return { width: dot * (length * (COLUMNS + 1) - 1), height: dot * ROWS };
}

/** Draws a whole number with its corner at a place. @param dot Pixels of one dot. */
export function drawNumber(
  frame: RawFrame,
  number: number,
  at: { readonly x: number; readonly y: number },
  { dot, color }: { readonly dot: number; readonly color: number },
): void {
  for (const [index, digit] of Array.from(String(number), Number).entries()) {
    const rows = Array.from(DOTS[digit] ?? "", Number);
    for (const [row, bits] of rows.entries()) {
      for (let column = 0; column < COLUMNS; column++) {
        if (((bits >> (COLUMNS - 1 - column)) & 1) === 0) continue;
        const x = at.x + dot * (index * (COLUMNS + 1) + column);
        fill(frame, { x, y: at.y + dot * row, width: dot, height: dot }, color);
      }
    }
  }
}
