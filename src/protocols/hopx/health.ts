import { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import { healthOf } from "../../engine/health.ts";
import { FEATURES, identity, installedLanguages, uptimeSeconds, uptimeText } from "./about.ts";
import { route } from "./context.ts";
import { anyObject, errorBody } from "./schema.ts";

const probe = z.object({ status: z.literal("ok") }).meta({ id: "Probe" });

/** Whether the agent works (contracts/hopx-agent.md, 10.1), and the same for probes. Open to all: no secrets. */
export const healthRoutes = [
  route({
    method: "GET",
    path: "/health",
    credential: "none",
    summary: "Whether the agent works, and how each part of it does",
    responses: {
      200: { description: "It answers; `status` is `healthy` while it takes on work", schema: anyObject },
    },
    handle: (_, __, context) => {
      const { engine, streams } = context;
      const { isReady, parts } = healthOf(engine);
      return {
        status: 200,
        body: {
          status: isReady ? "healthy" : "unhealthy",
          ...identity(context),
          uptime: uptimeText(uptimeSeconds(context)),
          uptime_seconds: uptimeSeconds(context),
          features: { ...FEATURES, languages: installedLanguages(context) },
          active_runs: engine.runs.active,
          active_streams: Object.values(streams()).reduce((sum, count) => sum + count, 0),
          parts,
          timestamp: new Date().toISOString(),
        },
      };
    },
  }),

  route({
    method: "GET",
    path: "/healthz",
    credential: "none",
    summary: "For liveness probes: whether the agent answers at all",
    responses: { 200: { description: "It does", schema: probe } },
    handle: () => ({ status: 200, body: { status: "ok" } }),
  }),

  route({
    method: "GET",
    path: "/readyz",
    credential: "none",
    summary: "For readiness probes: whether the agent takes on work",
    responses: {
      200: { description: "It does", schema: probe },
      503: { description: "Not now; /health says why", schema: errorBody },
    },
    handle: (_, __, { engine }) => {
      const { isReady, parts } = healthOf(engine);
      if (isReady) return { status: 200, body: { status: "ok" } };
      const states = ["runs", "workspace", "store"].map((name) => `${name} ${parts[name]?.state ?? ""}`);
      throw new EngineError("unavailable", `Not ready: ${states.join(", ")}`);
    },
  }),
];
