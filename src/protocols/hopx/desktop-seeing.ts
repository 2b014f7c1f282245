import type { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import type { Session } from "../../engine/desktop/session.ts";
import type { FoundElement } from "../../engine/desktop/find.ts";
import type { Rectangle } from "../../engine/desktop/x11/core.ts";
import type { RequestInfo, Route } from "../../http/route.ts";
import { route, type HopxContext } from "./context.ts";
import { onScreen } from "./desktop-input.ts";
import { findBody, ocrBody, responses } from "./desktop-schema.ts";
import { anyObject } from "./schema.ts";

/** Text on the screen: read, found, waited for (contracts/hopx-agent.md, 11.1). */

const WAIT_SECONDS = 30;
const LANGUAGE = "eng";

type OcrBody = z.output<typeof ocrBody>;
type FindBody = z.output<typeof findBody>;

const answers = { ...responses, 200: { description: "What is there", schema: anyObject } };

async function areaOf(body: OcrBody, session: Session): Promise<Rectangle> {
  const screen = await session.screens.size();
  const { width, height } = body;
  if (!width || !height) return { x: 0, y: 0, ...screen };
  const corner = { x: body.x ?? 0, y: body.y ?? 0 };
  const from = await onScreen(session, corner, body);
  const to = await onScreen(session, { x: corner.x + width - 1, y: corner.y + height - 1 }, body);
  return { ...from, width: to.x - from.x + 1, height: to.y - from.y + 1 };
}

async function ocr(body: OcrBody, { signal }: RequestInfo, { engine }: HopxContext): Promise<object> {
  const session = await engine.desktop.use("ocr");
  const [{ capture }, { readText }] = await Promise.all([
    import("../../engine/desktop/screenshot.ts"),
    import("../../engine/desktop/ocr.ts"),
  ]);
  const frame = await capture(session, { area: await areaOf(body, session) });
  const language = body.language ?? LANGUAGE;
  const { text, words } = await readText(engine.desktop.host, frame, { language, layout: "page", signal });
  const { x, y } = frame.area;
  const placed = words.map((word) => ({
    text: word.text,
    confidence: word.confidence,
    ...{ x: word.x + x, y: word.y + y, width: word.width, height: word.height },
  }));
  return { success: true, text, words: placed, language };
}

async function find(
  body: FindBody,
  { signal }: RequestInfo,
  { engine }: HopxContext,
  waitMs: number,
): Promise<FoundElement | undefined> {
  const session = await engine.desktop.use("ocr");
  const { findElement } = await import("../../engine/desktop/find.ts");
  const language = body.language ?? LANGUAGE;
  return findElement(session, { text: body.text, language, waitMs, signal });
}

function describe({ x, y, width, height, text, source }: FoundElement): object {
  const center = { center_x: x + Math.floor(width / 2), center_y: y + Math.floor(height / 2) };
  return { x, y, width, height, ...center, text, source };
}

function missing(body: FindBody, waited = ""): EngineError {
  return new EngineError("not_found", `The text ${JSON.stringify(body.text)} is not on the screen${waited}`);
}

export const seeingRoutes: Route<HopxContext>[] = [
  route({
    method: "POST",
    path: "/desktop/x11/ocr",
    aliases: ["/desktop/ocr"],
    credential: "token",
    summary: "Read the text on the screen or a part of it",
    body: ocrBody,
    responses: answers,
    handle: async ({ body }, request, context) => ({ status: 200, body: await ocr(body, request, context) }),
  }),
  route({
    method: "POST",
    path: "/desktop/x11/find_element",
    aliases: ["/desktop/x11/find-element"],
    credential: "token",
    summary: "Where a text is on the screen; element is null when it is not",
    body: findBody,
    responses: answers,
    handle: async ({ body }, request, context) => {
      const found = await find(body, request, context, 0);
      return { status: 200, body: { success: true, element: found ? describe(found) : null } };
    },
  }),
  route({
    method: "POST",
    path: "/desktop/x11/wait_for",
    aliases: ["/desktop/x11/wait-for"],
    credential: "token",
    summary: "Wait until a text is on the screen",
    body: findBody,
    responses: answers,
    handle: async ({ body }, request, context) => {
      const seconds = body.timeout ?? WAIT_SECONDS;
      const found = await find(body, request, context, seconds * 1000);
      if (!found) throw missing(body, ` after ${seconds} s`);
      return { status: 200, body: { success: true, element: describe(found) } };
    },
  }),
  route({
    method: "POST",
    path: "/desktop/x11/get_bounds",
    aliases: ["/desktop/x11/get-bounds"],
    credential: "token",
    summary: "Where a text is on the screen",
    body: findBody,
    responses: answers,
    handle: async ({ body }, request, context) => {
      const found = await find(body, request, context, 0);
      if (!found) throw missing(body);
      return { status: 200, body: { success: true, ...describe(found) } };
    },
  }),
];
