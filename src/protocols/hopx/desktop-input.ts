import type { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import { unscale, type Direction, type Point } from "../../engine/desktop/pointer.ts";
import type { Session } from "../../engine/desktop/session.ts";
import { deviceRoutes, type Action } from "./desktop-action.ts";
import {
  buttonBody,
  clickBody,
  combinationBody,
  dragBody,
  keyBody,
  moveBody,
  pressBody,
  scrollBody,
  typeBody,
} from "./desktop-schema.ts";

/** Mouse and keyboard (contracts/hopx-agent.md, 11.1). */

const DRAG_STEPS = 20;
const DRAG_MS = 200;
const NOTCHES = 3;
const MOST_NOTCHES = 200;

interface Picture {
  readonly image_width?: number | null | undefined;
  readonly image_height?: number | null | undefined;
}

/** @throws EngineError `invalid` when only half of a place, or of a picture's size, is given. */
async function pointOf(
  session: Session,
  body: Picture & { readonly x?: number | null | undefined; readonly y?: number | null | undefined },
): Promise<Point | undefined> {
  const { x, y } = body;
  const hasX = x !== undefined && x !== null;
  const hasY = y !== undefined && y !== null;
  if (!hasX && !hasY) return undefined;
  if (!hasX || !hasY) throw new EngineError("invalid", "Give both x and y, or neither");
  return onScreen(session, { x, y }, body);
}

/** A point of the picture that the caller looked at, on the screen. @throws EngineError `invalid`. */
export async function onScreen(session: Session, point: Point, picture: Picture): Promise<Point> {
  const { image_width: width, image_height: height } = picture;
  if (!width && !height) return point;
  if (!width || !height)
    throw new EngineError("invalid", "Give both image_width and image_height, or neither");
  return unscale(point, { width, height }, await session.screens.size());
}

const mouse = {
  click: action(clickBody, "Click, also twice or more", async (body, session) => {
    await session.pointer.click(await pointOf(session, body), body.button, body.clicks ?? 1);
  }),
  double_click: action(clickBody, "Click twice", async (body, session) => {
    await session.pointer.click(await pointOf(session, body), body.button, 2);
  }),
  move: action(moveBody, "Move the pointer", async (body, session) => {
    await session.pointer.move(await onScreen(session, body, body));
  }),
  down: action(buttonBody, "Press a button and keep it down", async (body, session) => {
    await session.pointer.down(await pointOf(session, body), body.button);
  }),
  up: action(buttonBody, "Let a button go", async (body, session) => {
    await session.pointer.up(await pointOf(session, body), body.button);
  }),
  drag: action(dragBody, "Press a button at one place and let it go at another", dragTo),
  scroll: action(scrollBody, "Turn the wheel, in both directions", scroll),
};

async function dragTo(body: z.output<typeof dragBody>, session: Session, signal: AbortSignal): Promise<void> {
  const [from, to] = await Promise.all([
    onScreen(session, { x: body.from_x, y: body.from_y }, body),
    onScreen(session, { x: body.to_x, y: body.to_y }, body),
  ]);
  const steps = body.steps ?? DRAG_STEPS;
  const stepMs = (body.duration_ms ?? DRAG_MS) / steps;
  await session.pointer.drag({ from, to, steps, stepMs, button: body.button }, signal);
}

async function scroll(body: z.output<typeof scrollBody>, session: Session): Promise<void> {
  const at = await pointOf(session, body);
  for (const [direction, notches] of wheelTurns(body)) {
    if (notches > MOST_NOTCHES)
      throw new EngineError(
        "invalid",
        `Cannot scroll by ${notches} notches at once: at most ${MOST_NOTCHES}`,
      );
    await session.pointer.scroll(at, direction, notches);
  }
}

function wheelTurns({
  delta_x,
  delta_y,
  amount,
  direction,
}: z.output<typeof scrollBody>): [Direction, number][] {
  const turn = (by: number, positive: Direction, negative: Direction): [Direction, number] => [
    by >= 0 ? positive : negative,
    Math.round(Math.abs(by)),
  ];
  if (typeof delta_x !== "number" && typeof delta_y !== "number") {
    const opposite = { up: "down", down: "up", left: "right", right: "left" } as const;
    return [turn(amount ?? NOTCHES, direction ?? "down", opposite[direction ?? "down"])];
  }
  return [turn(delta_y ?? 0, "down", "up"), turn(delta_x ?? 0, "right", "left")];
}

const keyboard = {
  type: action(typeBody, "Type any text, whatever the layout", async (body, session, signal) => {
    await session.keyboard.type(body.text, body.delay_ms ?? 0, signal);
  }),
  press: action(pressBody, "Press a key", async (body, session, signal) => {
    await session.keyboard.press(namesIn(body.key), body.hold_ms ?? 0, signal);
  }),
  combination: action(combinationBody, "Press keys together", async (body, session, signal) => {
    const names = body.keys ?? [...(body.modifiers ?? []), ...(body.key ? [body.key] : [])];
    await session.keyboard.press(names, body.hold_ms ?? 0, signal);
  }),
  down: action(keyBody, "Press a key and keep it down", (body, session) => session.keyboard.down(body.key)),
  up: action(keyBody, "Let a key go", (body, session) => session.keyboard.up(body.key)),
};

/** "ctrl+c" is two keys; a plus alone is one. */
function namesIn(key: string): string[] {
  return key.length > 1 && key.includes("+") ? key.split(/\+(?=.)/) : [key];
}

function action<B extends z.ZodType>(
  body: B,
  summary: string,
  perform: (body: z.output<B>, session: Session, signal: AbortSignal) => Promise<void>,
): Action {
  return {
    body,
    summary,
    perform: async (parsed, { signal }, { engine }) => {
      const session = await engine.desktop.use();
      // Safe: parsed with this very schema.
      const given = parsed as z.output<B>;
      await engine.desktop.input.take(() => perform(given, session, signal), signal);
      return { success: true };
    },
  };
}

export const inputRoutes = [
  ...deviceRoutes({
    device: "mouse",
    actions: mouse,
    aliases: { drag: ["/desktop/x11/drag_drop", "/desktop/x11/drag-drop"] },
    infer: (body) => {
      if ("from_x" in body) return "drag";
      if (["delta_y", "delta_x", "amount", "direction"].some((name) => name in body)) return "scroll";
      return "button" in body || "clicks" in body ? "click" : "move";
    },
  }),
  ...deviceRoutes({
    device: "keyboard",
    actions: keyboard,
    aliases: { combination: ["/desktop/x11/hotkey"] },
    infer: (body) => {
      if ("text" in body) return "type";
      return "keys" in body || "modifiers" in body ? "combination" : "press";
    },
  }),
];
