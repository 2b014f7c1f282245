import { route } from "./context.ts";
import { errorBody } from "./schema.ts";

/** For whoever collects figures from many sandboxes (contracts/hopx-agent.md, 10.5). */
export const prometheusRoutes = [
  route({
    method: "GET",
    path: "/metrics/prometheus",
    credential: "token",
    summary: "Figures of the agent and of the sandbox, as Prometheus reads them",
    responses: {
      200: { description: "Prometheus' text format" },
      401: { description: "Token missing, wrong or expired", schema: errorBody },
    },
    handle: async (_, __, { prometheus }) => {
      const { contentType, text } = await prometheus();
      return new Response(text, { headers: { "Content-Type": contentType, "Cache-Control": "no-store" } });
    },
  }),
];
