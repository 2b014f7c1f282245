import type { Socket } from "node:net";
import { once } from "node:events";
import { z } from "zod";
import type { Route } from "../../http/route.ts";
import { TICKET_PARAMETER } from "../../http/tickets.ts";
import { Upgrade, type WebSocketConnection } from "../../http/websocket.ts";
import { route, type HopxContext } from "./context.ts";
import { responses } from "./desktop-schema.ts";
import { VNC_PAGE, VNC_SOCKET } from "./desktop-vnc-paths.ts";

/** The desktop in a browser: a page, its script, and the display's own protocol in a WebSocket. */

/** Between the page and its script's connection. */
const SOCKET_TICKET_MS = 60_000;
const DAY_SECONDS = 24 * 60 * 60;
const LINK_SECONDS = 300;

const linkBody = z
  .object({
    view_only: z.boolean().nullish().describe("Whoever opens it may look and not touch; default false"),
    expires_in: z
      .int()
      .min(1)
      .max(DAY_SECONDS)
      .nullish()
      .describe("Seconds until it must be opened; default 300"),
  })
  .meta({ id: "VncLinkRequest" });
const link = z
  .object({
    success: z.literal(true),
    url: z.string().describe("For a browser; works once"),
    view_only: z.boolean(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: "VncLink" });

async function passRfb(socket: WebSocketConnection, context: HopxContext): Promise<void> {
  const display = await context.engine.desktop.vnc.connect();
  const end = () => void display.destroy();
  socket.signal.addEventListener("abort", end, { once: true });
  if (socket.signal.aborted) end();
  try {
    await Promise.race([toViewer(display, socket), toDisplay(display, socket)]);
  } finally {
    end();
  }
}

/** What the display sends is read only as fast as the viewer reads. */
async function toViewer(display: Socket, socket: WebSocketConnection): Promise<void> {
  try {
    const chunks: AsyncIterable<Uint8Array> = display;
    for await (const bytes of chunks) if (!(await socket.send(bytes))) return;
  } catch {
    // The display, or whoever closed the doors, has ended the connection: the viewer is told by the close.
  }
}

async function toDisplay(display: Socket, socket: WebSocketConnection): Promise<void> {
  for await (const message of socket.messages()) {
    if (display.destroyed) return;
    if (!display.write(message)) await Promise.race([once(display, "drain"), once(display, "close")]);
  }
}

export const vncPageRoutes: Route<HopxContext>[] = [
  route({
    method: "POST",
    path: "/desktop/vnc/link",
    credential: "token",
    summary: "An address at which a person sees the desktop in a browser",
    body: linkBody,
    responses: { ...responses, 200: { description: "The address", schema: link } },
    handle: async ({ body }, { raw }, { engine, tickets, publicUrl }) => {
      await engine.desktop.use();
      const viewOnly = body.view_only ?? false;
      const ttlMs = (body.expires_in ?? LINK_SECONDS) * 1000;
      const { ticket, expiresAt } = tickets.issue({ path: VNC_PAGE, query: {}, viewOnly }, ttlMs);
      const url = new URL(VNC_PAGE, publicUrl ?? raw.url);
      url.search = new URLSearchParams({ [TICKET_PARAMETER]: ticket }).toString();
      const told = { success: true, url: url.href, view_only: viewOnly, expires_at: expiresAt.toISOString() };
      return { status: 200, headers: { "Cache-Control": "no-store" }, body: told };
    },
  }),
  route({
    method: "GET",
    path: VNC_PAGE,
    credential: "ticket",
    summary: "The desktop in a browser",
    responses: { 200: { description: "A page" }, 400: responses[400], 401: responses[401] },
    handle: async (_, { raw }, { engine, tickets }) => {
      const { viewerPage } = await import("./viewer-page.ts");
      const viewOnly = tickets.grantOf(raw)?.viewOnly ?? false;
      const { password, viewPassword } = await engine.desktop.vnc.passwords();
      const { ticket } = tickets.issue({ path: VNC_SOCKET, query: {}, viewOnly }, SOCKET_TICKET_MS);
      return viewerPage({ ticket, viewOnly, password: viewOnly ? viewPassword : password });
    },
  }),
  ...["viewer.js", "novnc/*"].map((name) =>
    route({
      method: "GET",
      path: `${VNC_PAGE}/${name}`,
      credential: "none",
      summary: "Scripts of the page, the same for everybody",
      responses: { 200: { description: "A file" } },
      handle: async (_, { raw }) => {
        const { viewerScript } = await import("./viewer-page.ts");
        return viewerScript(new URL(raw.url).pathname.slice(VNC_PAGE.length + 1));
      },
    }),
  ),
  route({
    method: "GET",
    path: VNC_SOCKET,
    credential: "ticket",
    summary: "The display's RFB protocol in a WebSocket; its password says who may touch",
    responses: { 101: { description: "Binary messages of RFB, in either direction" }, 401: responses[401] },
    handle: (_, __, context) =>
      // noVNC of some versions asks for a subprotocol; without one offered none may be answered.
      new Upgrade((socket) => passRfb(socket, context)),
  }),
];
