import { EngineError } from "../error.ts";
import { drawCursor, grab, type RawFrame } from "./frame.ts";
import type { Session } from "./session.ts";
import { pause, refuseGone } from "./turns.ts";
import type { Rectangle } from "./x11/core.ts";
import { watchDamage } from "./x11/damage.ts";
import { Fixes } from "./x11/xfixes.ts";

export interface Capture extends RawFrame {
  /** What part of the screen it shows. */
  readonly area: Rectangle;
}

/** The whole screen, or a part of it. @throws EngineError `invalid` for a part that is not all on the screen. */
export async function capture(
  session: Session,
  wanted: { readonly area?: Rectangle | undefined; readonly withCursor?: boolean | undefined } = {},
): Promise<Capture> {
  const screen = await session.screens.size();
  const area = wanted.area ?? { x: 0, y: 0, ...screen };
  requireInside(area, screen);
  const frame = await grab(session.x, area);
  if (wanted.withCursor === true) drawCursor(frame, area, await (await Fixes.open(session.x)).cursor());
  return { ...frame, area };
}

/**
 * A window as it is on the screen, with its frame; brought to the front first, because what is covered is
 * nowhere to be seen.
 * @param id Absent: the window that has the focus.
 * @throws EngineError `not_found` without such a window.
 */
export async function captureWindow(session: Session, id: number | undefined): Promise<Capture> {
  const wanted = id ?? (await session.windows.active());
  if (wanted === undefined) throw new EngineError("not_found", "There is no active window; name one");
  await session.windows.focus(wanted);
  // What was covered is drawn by its application now.
  await waitUntilStable(session, { quietMs: 50, timeoutMs: 500 });
  const screen = await session.screens.size();
  return capture(session, { area: clip(await session.windows.get(wanted), screen) });
}

export interface StableWait {
  /** The screen must not have changed for so long. */
  readonly quietMs: number;
  /** After so long it is taken as it is. */
  readonly timeoutMs: number;
}

/** Smaller changes are a caret that blinks or a spinner, which never end. */
const SMALL_PIXELS = 32 * 32;

/** Waits until nothing much is drawn any more. @returns Whether that came about in time. */
export async function waitUntilStable(
  { x }: Session,
  { quietMs, timeoutMs }: StableWait,
  signal?: AbortSignal,
): Promise<boolean> {
  let lastDrawn = performance.now();
  await using watching = new AsyncDisposableStack();
  watching.use(
    await watchDamage(x, ({ width, height }) => {
      if (width * height > SMALL_PIXELS) lastDrawn = performance.now();
    }),
  );
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const quietAt = lastDrawn + quietMs;
    const now = performance.now();
    if (now >= quietAt) return true;
    if (now >= deadline || !x.isOpen) return false;
    await pause(Math.min(quietAt, deadline) - now, signal);
    refuseGone(signal);
  }
}

/** @throws EngineError `invalid`. */
export function requireInside(
  area: Rectangle,
  screen: { readonly width: number; readonly height: number },
): void {
  const { x, y, width, height } = area;
  const isInside = x >= 0 && y >= 0 && x + width <= screen.width && y + height <= screen.height;
  if (isInside && width > 0 && height > 0) return;
  throw new EngineError(
    "invalid",
    `The region ${x}, ${y} of ${width}x${height} is not all on the screen of ${screen.width}x${screen.height}`,
    { details: { ...area, screen } },
  );
}

function clip(area: Rectangle, screen: { readonly width: number; readonly height: number }): Rectangle {
  const x = Math.max(0, area.x);
  const y = Math.max(0, area.y);
  return {
    x,
    y,
    width: Math.min(screen.width, area.x + area.width) - x,
    height: Math.min(screen.height, area.y + area.height) - y,
  };
}
