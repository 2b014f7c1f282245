import { arch, hostname, platform, release } from "node:os";
import { route, type HopxContext } from "./context.ts";
import { anyObject } from "./schema.ts";

export const AGENT_NAME = "Sanderling VM Agent";

/** The parts of the VM Agent API that this version serves; a client can ask before it relies on one. */
export const FEATURES = {
  code_execution: true,
  file_operations: true,
  terminal_access: true,
  websocket_streaming: false,
  rich_output: true,
  background_jobs: true,
  ipython_kernel: true,
  system_metrics: true,
} as const;

/** Routes that say what answers here (contracts/hopx-agent.md, 10.2, 10.3 and 10.8). */
export const aboutRoutes = (endpoints: () => Readonly<Record<string, string>>) => [
  route({
    method: "GET",
    path: "/",
    credential: "token",
    summary: "What this is and what it serves",
    responses: { 200: { description: "Name, version and endpoints", schema: anyObject } },
    handle: (_, __, context) => ({
      status: 200,
      body: {
        ...identity(context),
        message: "Sanderling serves the HopX VM Agent API",
        docs: "/docs",
        endpoints: endpoints(),
      },
    }),
  }),

  route({
    method: "GET",
    path: "/ping",
    credential: "none",
    summary: "The shortest possible answer",
    responses: { 200: { description: "pong", schema: anyObject } },
    handle: () => ({
      status: 200,
      body: { message: "pong", status: "ok", timestamp: new Date().toISOString() },
    }),
  }),

  route({
    method: "GET",
    path: "/info",
    credential: "token",
    summary: "Facts about the agent and its machine",
    responses: { 200: { description: "Facts", schema: anyObject } },
    handle: (_, request, context) => ({
      status: 200,
      body: {
        ...identity(context),
        agent_version: context.version,
        os: platform(),
        platform: `${platform()}/${arch()}`,
        kernel: release(),
        arch: arch(),
        hostname: hostname(),
        ip: new URL(request.raw.url).hostname,
        vm_ip: new URL(request.raw.url).hostname,
        port: Number(new URL(request.raw.url).port),
        vm_port: new URL(request.raw.url).port,
        start_time: context.engine.startedAt.toISOString(),
        uptime: uptimeSeconds(context),
        uptime_seconds: uptimeSeconds(context),
        workspace: context.engine.workspace.path,
        containment: context.engine.containment,
        languages: context.engine.languages().map(({ language, program }) => ({
          id: language.id,
          aliases: language.aliases,
          installed: program !== undefined,
        })),
        total_runs: context.engine.runs.total,
        endpoints: endpoints(),
        features: FEATURES,
      },
    }),
  }),
];

export function identity({ version, sandboxId }: HopxContext) {
  return { agent: AGENT_NAME, version, vm_id: sandboxId };
}

export function installedLanguages({ engine }: HopxContext): string[] {
  return engine.languages().flatMap(({ language, program }) => (program === undefined ? [] : [language.id]));
}

export function uptimeSeconds({ engine }: HopxContext): number {
  return Math.floor((Date.now() - engine.startedAt.getTime()) / 1000);
}

/** For example 2h34m12s. */
export function uptimeText(seconds: number): string {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${rest}s`;
}
