import { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import type { Route } from "../../http/route.ts";
import { TICKET_PARAMETER } from "../../http/tickets.ts";
import { route, type HopxContext } from "./context.ts";
import { errorBody } from "./schema.ts";

const ticketRequest = z
  .object({
    path: z.string().describe("The route it opens, such as /terminal"),
    query: z
      .record(z.string(), z.string())
      .default({})
      .describe("Parameters that its bearer must send with these very values"),
    view_only: z.boolean().default(false).describe("Its bearer may look and not touch"),
    expires_in: z.int().min(1).max(300).default(30).describe("Seconds until it must have been used"),
  })
  .meta({ id: "TicketRequest", example: { path: "/terminal" } });

const ticketResult = z
  .object({
    ticket: z.string(),
    url: z.string().describe("The address to connect to, with the ticket in it"),
    path: z.string(),
    view_only: z.boolean(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: "Ticket" });

/** @param routes The API's table; its rows that ask for a ticket are what tickets can be had for. */
export function ticketRoutes(routes: () => readonly Route<HopxContext>[]): Route<HopxContext>[] {
  return [
    route({
      method: "POST",
      path: "/tickets",
      credential: "token",
      summary: "Make a ticket that opens one path once, for a browser's WebSocket",
      body: ticketRequest,
      responses: {
        200: { description: "The ticket", schema: ticketResult },
        400: { description: "No tickets for this path", schema: errorBody },
        401: { description: "Token missing, wrong or expired", schema: errorBody },
      },
      handle: ({ body: { path, query, view_only, expires_in } }, { raw }, { tickets, publicUrl }) => {
        requireTicketPath(path, routes());
        const { ticket, expiresAt } = tickets.issue({ path, query, viewOnly: view_only }, expires_in * 1000);
        const url = new URL(path, publicUrl ?? raw.url);
        url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
        url.search = new URLSearchParams({ ...query, [TICKET_PARAMETER]: ticket }).toString();
        return {
          status: 200,
          headers: { "Cache-Control": "no-store" },
          body: { ticket, url: url.href, path, view_only, expires_at: expiresAt.toISOString() },
        };
      },
    }),
  ];
}

/** @throws EngineError `invalid` that lists the paths there are. */
function requireTicketPath(path: string, routes: readonly Route<HopxContext>[]): void {
  const paths = routes
    .filter(({ credential }) => credential === "ticket")
    .flatMap((row) => [row.path, ...(row.aliases ?? [])]);
  const isKnown = paths.some((pattern) =>
    new RegExp(`^${pattern.replace(/\{\w+\}/g, "[^/?#]+")}$`).test(path),
  );
  if (!isKnown)
    throw new EngineError(
      "invalid",
      `No tickets for ${JSON.stringify(path)}: ask for one of ${paths.join(", ")}`,
    );
}
