import type { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import type { Session } from "../../engine/desktop/session.ts";
import type { RequestInfo, Route } from "../../http/route.ts";
import { decodeBase64 } from "./base64.ts";
import { route, type HopxContext } from "./context.ts";
import { deviceRoutes, type Action } from "./desktop-action.ts";
import { launch } from "./desktop-launch.ts";
import { describeWindow } from "./desktop-window-view.ts";
import {
  clipboardBody,
  clipboardQuery,
  launchBody,
  maximizeBody,
  moveWindowBody,
  resizeWindowBody,
  responses,
  windowBody,
  windowList,
} from "./desktop-schema.ts";
import { anyObject } from "./schema.ts";

/** Windows, applications and the clipboard (contracts/hopx-agent.md, 11.1). */

const TEXT = "text/plain";

const list: Action["perform"] = async (_, __, { engine }) => {
  const windows = (await (await engine.desktop.use()).windows.list()).map(describeWindow);
  return { success: true, windows, count: windows.length };
};

/** Something done to one window; answers with what it is like afterwards. */
function action<B extends z.ZodType<{ readonly window_id: number }>>(
  body: B,
  summary: string,
  perform: (body: z.output<B>, session: Session) => Promise<object | undefined>,
): Action {
  return {
    body,
    summary,
    perform: async (parsed, { signal }, { engine }) => {
      const session = await engine.desktop.use();
      // Safe: parsed with this very schema.
      const given = parsed as z.output<B>;
      const more = await engine.desktop.input.take(() => perform(given, session), signal);
      return { success: true, ...more };
    },
  };
}

async function shown(session: Session, id: number): Promise<object> {
  return { window: describeWindow(await session.windows.get(id)) };
}

const windows = {
  list: { body: anyObject, summary: "Windows of applications", answer: windowList, perform: list },
  focus: action(
    windowBody,
    "Bring a window to the front and give it the keys",
    async ({ window_id }, session) => {
      await session.windows.focus(window_id);
      return shown(session, window_id);
    },
  ),
  close: action(windowBody, "Ask a window to close", async ({ window_id }, session) => ({
    closed: await session.windows.close(window_id),
  })),
  minimize: action(windowBody, "Take a window off the screen", async ({ window_id }, session) => {
    await session.windows.minimize(window_id);
    return shown(session, window_id);
  }),
  maximize: action(
    maximizeBody,
    "Make a window as large as the screen, or as it was",
    async (body, session) => {
      await session.windows.maximize(body.window_id, body.restore === true ? "restored" : "maximized");
      return shown(session, body.window_id);
    },
  ),
  move: action(moveWindowBody, "Move a window", async ({ window_id, x, y }, session) => ({
    window: describeWindow(await session.windows.place(window_id, { x, y })),
  })),
  resize: action(resizeWindowBody, "Give a window another size", async ({ window_id, ...size }, session) => ({
    window: describeWindow(await session.windows.place(window_id, size)),
  })),
};

async function getClip(type: string | undefined, { engine }: HopxContext): Promise<object> {
  const { clipboard } = await engine.desktop.use();
  if (type === undefined || type === TEXT) {
    const [text, types] = [await clipboard.text(), await clipboard.types()];
    return { success: true, content: text, text, types };
  }
  const clip = await clipboard.get(type);
  const data = clip ? Buffer.from(clip.bytes).toString("base64") : null;
  return { success: true, type, data, types: await clipboard.types() };
}

const setClip: Action["perform"] = async (parsed, _, { engine }) => {
  // Safe: parsed with this very schema.
  const { content, text, data, type } = parsed as z.output<typeof clipboardBody>;
  const given = content ?? text;
  if ((typeof given === "string") === (typeof data === "string"))
    throw new EngineError("invalid", "Give either content (or text), or data with its type");
  const bytes = typeof data === "string" ? decodeBase64(data) : new TextEncoder().encode(given ?? "");
  const { clipboard } = await engine.desktop.use();
  await clipboard.set({
    type: typeof data === "string" ? (type ?? "application/octet-stream") : TEXT,
    bytes,
  });
  return { success: true };
};

const history: Action["perform"] = async (_, __, { engine }) => ({
  success: true,
  history: [...(await engine.desktop.use()).clipboard.history],
});

const clipboard = {
  set: { body: clipboardBody, summary: "Copy text, or a picture", perform: setClip },
  get: {
    body: clipboardQuery,
    summary: "What was copied",
    perform: (body: unknown, _: RequestInfo, context: HopxContext) =>
      // Safe: parsed with this very schema.
      getClip((body as z.output<typeof clipboardQuery>).type ?? undefined, context),
  },
  history: { body: anyObject, summary: "Texts that were copied, the newest first", perform: history },
};

export const windowRoutes: Route<HopxContext>[] = [
  ...deviceRoutes({
    device: "windows",
    actions: windows,
    infer: (body) =>
      "width" in body ? "resize" : "x" in body ? "move" : "window_id" in body ? "focus" : "list",
  }),
  route({
    method: "GET",
    path: "/desktop/windows",
    aliases: ["/desktop/windows/list"],
    credential: "token",
    summary: "Windows of applications",
    responses: { ...responses, 200: { description: "All of them", schema: windowList } },
    handle: async (_, request, context) => ({ status: 200, body: await list({}, request, context) }),
  }),
  route({
    method: "POST",
    path: "/desktop/launch",
    aliases: ["/desktop/apps/launch"],
    credential: "token",
    summary: "Start an application on the display and wait for its window",
    body: launchBody,
    responses: { ...responses, 200: { description: "It has been started", schema: anyObject } },
    handle: async ({ body }, request, context) => ({
      status: 200,
      body: await launch(body, request, context),
    }),
  }),
  ...deviceRoutes({
    device: "clipboard",
    actions: clipboard,
    infer: (body) => (["content", "text", "data"].some((name) => name in body) ? "set" : "get"),
  }),
  route({
    method: "GET",
    path: "/desktop/clipboard",
    aliases: ["/desktop/clipboard/get"],
    credential: "token",
    summary: "What was copied",
    query: clipboardQuery,
    responses: {
      ...responses,
      200: { description: "content and text; for another type data", schema: anyObject },
    },
    handle: async ({ query }, _, context) => ({
      status: 200,
      body: await getClip(query.type ?? undefined, context),
    }),
  }),
  route({
    method: "GET",
    path: "/desktop/clipboard/history",
    credential: "token",
    summary: "Texts that were copied, the newest first",
    responses: { ...responses, 200: { description: "At most fifty", schema: anyObject } },
    handle: async (_, request, context) => ({ status: 200, body: await history({}, request, context) }),
  }),
];
