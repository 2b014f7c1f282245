import { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import type { Accessibility, Element } from "../../engine/desktop/accessibility.ts";
import type { Session } from "../../engine/desktop/session.ts";
import type { RequestInfo, Route } from "../../http/route.ts";
import { route, type HopxContext } from "./context.ts";
import { pictureQuery, responses } from "./desktop-schema.ts";
import { anyObject } from "./schema.ts";

/** What applications tell of their elements: an addition of Sanderling's to the API. */

const MOST_ELEMENTS = 5000;
const DEFAULT_ELEMENTS = 1000;
const MOST_FOUND = 100;

const treeQuery = z.object({
  hidden: z
    .stringbool()
    .or(z.boolean())
    .nullish()
    .describe("Elements that are not shown, too; default false"),
  limit: z.coerce.number().int().min(1).max(MOST_ELEMENTS).nullish().describe("Elements; default 1000"),
});
const findBody = z
  .object({
    name: z.string().max(1000).describe("A part of the element's name, in any case"),
    role: z.string().max(100).nullish().describe("For example push button"),
  })
  .meta({ id: "FindElement", example: { name: "Save", role: "push button" } });
const invokeBody = z
  .object({
    id: z.string().nullish().describe("Of an element, as the tree names it"),
    name: z.string().max(1000).nullish().describe("Instead of id: the best match is taken"),
    role: z.string().max(100).nullish(),
    action: z.string().max(100).nullish().describe("One of the element's actions; default: its first"),
    text: z.string().max(100_000).nullish().describe("Put into the element instead of an action"),
  })
  .meta({ id: "InvokeElement", example: { name: "Save" } });

const answers = { ...responses, 200: { description: "What applications tell", schema: anyObject } };

async function elementsOf({
  engine: { desktop },
}: HopxContext): Promise<{ session: Session; told: Accessibility }> {
  const session = await desktop.use("accessibility");
  const told = await session.listening();
  if (told) return { session, told };
  throw new EngineError("conflict", "Applications cannot be listened to; /desktop/debug/logs says why");
}

function describe(element: Element): object {
  return { ...summarize(element), children: element.children.map(describe) };
}

function summarize({ id, role, name, states, bounds, actions, text }: Element): Record<string, unknown> {
  const value = text === undefined ? {} : { text };
  return { id, role, name, states, bounds: bounds ?? null, actions, ...value };
}

async function invoke(
  body: z.output<typeof invokeBody>,
  _: RequestInfo,
  context: HopxContext,
): Promise<object> {
  const { told } = await elementsOf(context);
  const id = body.id ?? (await bestMatch(told, body));
  if (typeof body.text === "string") {
    await told.setText(id, body.text);
    return { success: true, id };
  }
  return { success: true, id, action: await told.invoke(id, body.action ?? undefined) };
}

async function bestMatch(told: Accessibility, { name, role }: z.output<typeof invokeBody>): Promise<string> {
  if (!name) throw new EngineError("invalid", "Give the id of an element, or its name");
  const found = await told.findAll(name, role ?? undefined);
  const [best] = found.filter(({ actions, text }) => actions.length > 0 || text !== undefined);
  if (best) return best.id;
  throw new EngineError(
    "not_found",
    `No application shows an element ${JSON.stringify(name)} that can be used`,
  );
}

type MarkedWish = Omit<z.output<typeof pictureQuery>, "response" | "stable_ms" | "timeout_ms">;

async function marked(query: MarkedWish, context: HopxContext): Promise<object> {
  const { session, told } = await elementsOf(context);
  const [{ capture }, { encode }, { drawMarks, numberElements }] = await Promise.all([
    import("../../engine/desktop/screenshot.ts"),
    import("../../engine/desktop/picture.ts"),
    import("../../engine/desktop/marks.ts"),
  ]);
  const frame = await capture(session, { withCursor: query.cursor ?? false });
  const marks = numberElements(await told.actionable(), frame.area);
  drawMarks(frame, marks);
  const format = query.format === "jpg" ? "jpeg" : (query.format ?? "png");
  const { bytes, ...facts } = await encode(frame, {
    format,
    quality: query.quality ?? 80,
    scale: query.scale ?? 1,
  });
  const elements = marks.map(({ number, element, bounds: { x, y, width, height } }) => ({
    number,
    ...summarize(element),
    center_x: x + Math.floor(width / 2),
    center_y: y + Math.floor(height / 2),
  }));
  return { success: true, image: Buffer.from(bytes).toString("base64"), ...facts, elements };
}

export const elementRoutes: Route<HopxContext>[] = [
  route({
    method: "GET",
    path: "/desktop/elements",
    aliases: ["/desktop/accessibility/tree"],
    credential: "token",
    summary: "The elements that applications tell of, as a tree",
    query: treeQuery,
    responses: answers,
    handle: async ({ query }, { signal }, context) => {
      const { told } = await elementsOf(context);
      const mostElements = query.limit ?? DEFAULT_ELEMENTS;
      const tree = await told.tree({ withHidden: query.hidden ?? false, mostElements, signal });
      const applications = tree.applications.map(describe);
      return { status: 200, body: { success: true, applications, count: tree.count, truncated: tree.isCut } };
    },
  }),
  route({
    method: "POST",
    path: "/desktop/elements/find",
    credential: "token",
    summary: "Elements by their name, the best match first",
    body: findBody,
    responses: answers,
    handle: async ({ body }, _, context) => {
      const { told } = await elementsOf(context);
      const found = await told.findAll(body.name, body.role ?? undefined);
      const elements = found.slice(0, MOST_FOUND).map(summarize);
      return { status: 200, body: { success: true, elements, count: found.length } };
    },
  }),
  route({
    method: "POST",
    path: "/desktop/elements/invoke",
    credential: "token",
    summary: "Do what an element offers, or put text into it, without the pointer",
    body: invokeBody,
    responses: answers,
    handle: async ({ body }, request, context) => ({
      status: 200,
      body: await invoke(body, request, context),
    }),
  }),
  route({
    method: "GET",
    path: "/desktop/screenshot/marked",
    credential: "token",
    summary: "A picture with a number at every element that can be used, and their list",
    query: pictureQuery.omit({ response: true, stable_ms: true, timeout_ms: true }),
    responses: answers,
    handle: async ({ query }, _, context) => ({ status: 200, body: await marked(query, context) }),
  }),
];
