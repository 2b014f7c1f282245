import { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import { route, type HopxContext } from "./context.ts";
import type { ConsoleFiles } from "./console-bundle.ts";
import { errorBody } from "./schema.ts";

/** The console: a page for a person, which is a client of this API like any other (docs/console.md). */

const login = z.object({ token: z.string().min(1) }).meta({ id: "ConsoleLogin" });
const session = z
  .object({
    key: z.string().describe("To be sent as X-Console-Key with every request of the session"),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: "ConsoleSession" });
const refused = { 401: { description: "Token missing, wrong or expired", schema: errorBody } };
const file = { 200: { description: "A file" } };

let files: Promise<ConsoleFiles> | undefined;

/** Read or bundled at first use: most daemons are never looked at. */
async function readFiles(): Promise<ConsoleFiles> {
  const { readConsole } = await import("./console-bundle.ts");
  return (files ??= readConsole());
}

/** Whether the browser must send the cookie over TLS only. */
function isSecure({ url }: Request, { publicUrl }: HopxContext): boolean {
  return (publicUrl ?? url).startsWith("https:");
}

export const consoleRoutes = [
  route({
    method: "GET",
    path: "/console",
    credential: "none",
    summary: "The console; it asks for a token",
    responses: file,
    handle: async () => (await import("./console-page.ts")).consolePage(await readFiles()),
  }),
  route({
    method: "GET",
    path: "/console/frame",
    credential: "none",
    summary: "Where the console shows HTML that code has made: apart from everything",
    responses: file,
    handle: async () => (await import("./console-page.ts")).framePage(),
  }),
  route({
    method: "GET",
    path: "/console/files/{name}",
    credential: "none",
    summary: "Scripts and style of the console, the same for everybody",
    params: z.object({ name: z.string() }),
    responses: { ...file, 404: { description: "No such file", schema: errorBody } },
    handle: async ({ params: { name } }) => {
      const content = (await readFiles()).files.get(name);
      if (content === undefined) throw new EngineError("not_found", `The console has no file ${name}`);
      return (await import("./console-page.ts")).consoleFile(name, content);
    },
  }),
  route({
    method: "POST",
    path: "/console/session",
    credential: "none",
    summary: "Exchange a token for a session of a browser",
    body: login,
    responses: { 200: { description: "With the cookie of the session", schema: session }, ...refused },
    handle: async ({ body }, { raw }, context) => {
      const notAfter = await context.tokens.expiryOf(body.token.trim());
      const { key, cookie, expiresAt } = context.browserSessions.open(notAfter, isSecure(raw, context));
      const headers = { "Set-Cookie": cookie, "Cache-Control": "no-store" };
      return { status: 200, headers, body: { key, expires_at: expiresAt.toISOString() } };
    },
  }),
  route({
    method: "DELETE",
    path: "/console/session",
    credential: "token",
    summary: "End the session of a browser",
    responses: { 204: { description: "Ended" }, ...refused },
    handle: (_, { raw }, context) => {
      const cookie = context.browserSessions.close(raw, isSecure(raw, context));
      return { status: 204, headers: { "Set-Cookie": cookie } };
    },
  }),
];
