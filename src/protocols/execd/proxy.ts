import { z } from "zod";
import { forward, ForwardFailure, type ForwardTarget } from "../../http/forward.ts";
import { forwardedHeaders } from "../../http/forward-headers.ts";
import { ForwardRefused, forwardSocket } from "../../http/forward-socket.ts";
import { peerOf } from "../../http/peer.ts";
import type { Outcome } from "../../http/route.ts";
import { equalSecrets, type Tokens } from "../../http/tokens.ts";
import { isHandshake } from "../../http/websocket.ts";
import { route, type ExecdContext } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";

const proxyParams = z.object({
  port: z
    .string()
    .regex(/^\d{1,5}$/, "expected a port")
    .transform(Number)
    .refine((port) => port >= 1 && port <= 65_535, "expected a port from 1 to 65535"),
});

/** Servers inside the sandbox, reached through this port (contracts/opensandbox-execd.md, 12). */
export const proxyRoutes = [
  route({
    method: "ANY",
    path: "/proxy/{port}/*",
    aliases: ["/proxy/{port}"],
    credential: "token",
    summary: "Everything below is sent on to a port of the sandbox's loopback, WebSockets too",
    params: proxyParams,
    responses: {
      200: { description: "What the server there answers" },
      502: { description: "Nothing listens there, or it gave no answer", schema: errorBody },
    },
    handle: async ({ params }, { raw }, context) => answer(raw, await targetOf(raw, params.port, context)),
  }),
];

async function answer(request: Request, target: ForwardTarget): Promise<Outcome> {
  try {
    return isHandshake(request) ? await forwardSocket(request, target) : await forward(request, target);
  } catch (error) {
    if (error instanceof ForwardFailure) throw new ExecdRefusal(502, "BAD_GATEWAY", error.message);
    if (error instanceof ForwardRefused)
      return { status: error.status, body: { code: "BAD_GATEWAY", message: error.message } };
    throw error;
  }
}

/** The rest of the address goes on as it came: what is encoded in it means something to whoever reads it. */
async function targetOf(request: Request, port: number, context: ExecdContext): Promise<ForwardTarget> {
  const [, prefix = "", rest = ""] = /^[^:]+:\/\/[^/]+(\/proxy\/\d+)(.*)$/.exec(request.url) ?? [];
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  const headers = forwardedHeaders(request.headers, { peer: peerOf(request), prefix });
  return { port, path, headers: context.ownPorts.has(port) ? headers : await withoutOurs(headers, context) };
}

const OURS_BY_NAME = ["x-execd-access-token", "open-sandbox-api-key"];

/**
 * What lets a caller in here is nothing that a program in the sandbox may see. It goes on to the daemon's own
 * ports only, as in the addresses that a lifecycle server gives out for containers behind one port.
 */
async function withoutOurs(
  headers: Readonly<Record<string, string>>,
  { accessToken, apiKey, tokens }: ExecdContext,
): Promise<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const plain = value.replace(/^bearer\s+/i, "");
    const isSecret = [accessToken, apiKey].some((secret) => equalSecrets(plain, secret));
    const isToken = name === "authorization" && (await isAccepted(tokens, plain));
    if (!OURS_BY_NAME.includes(name) && !isSecret && !isToken) kept[name] = value;
  }
  return kept;
}

async function isAccepted(tokens: Tokens, token: string): Promise<boolean> {
  return tokens.check(token).then(
    () => true,
    () => false,
  );
}
