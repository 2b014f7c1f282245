import { z } from "zod";
import type { Engine } from "../../engine/engine.ts";
import { route } from "./context.ts";
import { emptyReply } from "./empty.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";

/**
 * Interrupts by what an `init` event named: a code context, a command or any other run, or a session, in this
 * order (contracts/opensandbox-execd.md, 5.7). What was interrupted lives on where it can: a context and a session
 * end only what they are doing.
 */
export const interruptRoutes = ["/command", "/code"].map((path) =>
  route({
    method: "DELETE",
    path,
    credential: "token",
    summary: "Interrupt what runs under an id; answers when it has ended",
    query: z.object({ id: z.string().optional() }),
    responses: {
      200: { description: "Interrupted; no body" },
      400: { description: "No id, or it is not running", schema: errorBody },
      401: { description: "Access token missing or wrong", schema: errorBody },
      404: { description: "Nothing of this id", schema: errorBody },
    },
    handle: async ({ query: { id = "" } }, _, { engine }) => {
      if (id === "") throw new ExecdRefusal(400, "MISSING_QUERY", "missing query parameter 'id'");
      await interrupt(id, engine);
      return emptyReply();
    },
  }),
);

async function interrupt(id: string, engine: Engine): Promise<void> {
  const context = engine.contexts.get(id);
  if (context) {
    await context.interrupt();
    return;
  }
  const run = engine.executions.get(id)?.run ?? engine.shells.get(id)?.current;
  const isKnown = run !== undefined || engine.shells.get(id) !== undefined;
  if (!isKnown)
    throw new ExecdRefusal(
      404,
      "CONTEXT_NOT_FOUND",
      `error interrupting code context. no such session: ${id}`,
    );
  if (run === undefined || run.hasEnded)
    throw new ExecdRefusal(
      400,
      "INVALID_REQUEST_BODY",
      `error interrupting code context. command session ${id} is not running`,
    );
  await run.cancel("requested");
}
