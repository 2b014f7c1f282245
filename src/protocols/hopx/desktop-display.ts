import type { z } from "zod";
import type { RequestInfo, Route } from "../../http/route.ts";
import { requirePart } from "../../engine/desktop/requirements.ts";
import { listSystemProcesses } from "../../engine/system/process-table.ts";
import { route, type HopxContext } from "./context.ts";
import { deviceRoutes, type Action } from "./desktop-action.ts";
import { displayBody, displayInfo, done, responses, vncInfo, vncStartBody } from "./desktop-schema.ts";
import { anyObject } from "./schema.ts";
import { VNC_PAGE } from "./desktop-vnc-paths.ts";

/** Display, VNC and what the desktop says of itself (contracts/hopx-agent.md, 11.1). */

const REFRESH_HZ = 60;

function describeVnc({ engine: { desktop } }: HopxContext): z.output<typeof vncInfo> {
  const { facts } = desktop.vnc;
  const { restarts } = desktop;
  const common = {
    success: true as const,
    desktop: desktop.state.state,
    restarts: restarts.count,
    last_end: restarts.lastEnd ?? null,
    page: VNC_PAGE,
  };
  if (facts?.port === undefined) return { ...common, running: false, display: 1, port: null, url: "" };
  const { display, port, password, viewPassword, viewers } = facts;
  const url = `vnc://127.0.0.1:${port}`;
  const secrets = { password, view_only_password: viewPassword };
  return { ...common, running: true, display, port, url, ...secrets, viewers };
}

async function startVnc(
  body: z.output<typeof vncStartBody>,
  _: RequestInfo,
  context: HopxContext,
): Promise<object> {
  const { password, display, port } = body;
  await context.engine.desktop.vnc.start({
    password: password ?? undefined,
    display: display ?? undefined,
    port: port ?? undefined,
  });
  return describeVnc(context);
}

const stopVnc: Action["perform"] = async (_, __, context) => {
  requirePart("display", context.engine.desktop.host);
  await context.engine.desktop.vnc.stop();
  return describeVnc(context);
};

const vncStatus: Action["perform"] = (_, __, context) => {
  requirePart("display", context.engine.desktop.host);
  return Promise.resolve(describeVnc(context));
};

const vnc = {
  start: {
    body: vncStartBody,
    summary: "Start the desktop, and let VNC viewers in",
    answer: vncInfo,
    // Safe: parsed with this very schema.
    perform: (body: unknown, ...rest: [RequestInfo, HopxContext]) =>
      startVnc(body as z.output<typeof vncStartBody>, ...rest),
  },
  stop: {
    body: anyObject,
    summary: "Send VNC viewers away; the desktop goes on",
    answer: vncInfo,
    perform: stopVnc,
  },
  status: { body: anyObject, summary: "Whether viewers are let in", answer: vncInfo, perform: vncStatus },
};

async function describeDisplay({ engine: { desktop } }: HopxContext): Promise<z.output<typeof displayInfo>> {
  const session = await desktop.use();
  const { width, height } = await session.screens.size();
  const { depth } = session.x.facts;
  const one = { id: session.display, name: `:${session.display}`, width, height, primary: true };
  return { success: true, width, height, depth, refresh_rate: REFRESH_HZ, displays: [one] };
}

const setDisplay: Action["perform"] = async (parsed, _, context) => {
  // Safe: parsed with this very schema.
  const size = parsed as z.output<typeof displayBody>;
  const session = await context.engine.desktop.use();
  await context.engine.desktop.input.take(() => session.screens.resize(size));
  return describeDisplay(context);
};

const resolutions: Action["perform"] = async (_, __, { engine }) => {
  const offered = await (await engine.desktop.use()).screens.offered();
  return { success: true, resolutions: offered.map(({ width, height }) => [width, height]) };
};

const display = {
  set: {
    body: displayBody,
    summary: "Give the screen another size, while it runs",
    answer: displayInfo,
    perform: setDisplay,
  },
  current: {
    body: anyObject,
    summary: "Size of the screen",
    answer: displayInfo,
    perform: (_: unknown, __: RequestInfo, context: HopxContext) => describeDisplay(context),
  },
  available: {
    body: anyObject,
    summary: "Sizes that are offered; any other may be set too",
    perform: resolutions,
  },
};

function get(path: string, { summary, answer, perform }: Action, aliases: readonly string[] = []) {
  const ok = { description: summary, schema: answer ?? done };
  return route({
    method: "GET",
    path,
    aliases,
    credential: "token",
    summary,
    responses: { ...responses, 200: ok },
    handle: async (_, request, context) => ({ status: 200, body: await perform({}, request, context) }),
  });
}

export const displayRoutes: Route<HopxContext>[] = [
  ...deviceRoutes({
    device: "vnc",
    actions: vnc,
    infer: () => "start",
  }),
  // The JavaScript library starts and stops with GET.
  get("/desktop/vnc/start", vnc.start),
  get("/desktop/vnc/stop", vnc.stop),
  get("/desktop/vnc/status", vnc.status, ["/desktop/vnc/info"]),
  ...deviceRoutes({
    device: "display",
    actions: display,
    aliases: { set: ["/desktop/display/resolution"] },
    infer: (body) => ("width" in body ? "set" : "current"),
  }),
  get("/desktop/display", display.current, ["/desktop/display/current", "/desktop/display/info"]),
  get("/desktop/display/available", display.available, ["/desktop/display/resolutions"]),
  get("/desktop/debug/logs", {
    body: anyObject,
    summary: "The last lines of what the desktop is made of",
    perform: (_, __, { engine: { desktop } }) => {
      requirePart("display", desktop.host);
      return Promise.resolve({ success: true, logs: [...desktop.log.lines] });
    },
  }),
  get("/desktop/debug/processes", {
    body: anyObject,
    summary: "Processes of the desktop",
    perform: (_, __, context) => describeProcesses(context),
  }),
  route({
    method: "POST",
    path: "/desktop/stop",
    credential: "token",
    summary: "End the display and every program on it",
    responses,
    handle: async (_, __, { engine }) => {
      await engine.desktop.stop();
      return { status: 200, body: { success: true } };
    },
  }),
];

/** Those that belong to the session, and those that were started with its display. */
async function describeProcesses({ engine: { desktop } }: HopxContext): Promise<object> {
  requirePart("display", desktop.host);
  if (desktop.state.state !== "running") return { success: true, processes: [] };
  const pids = new Set(desktop.state.session.processes());
  const { processes } = await listSystemProcesses({ order: "pid", limit: 10_000 });
  const own = processes.filter(({ pid }) => pids.has(pid));
  return { success: true, processes: own.map(({ pid, name, command }) => ({ pid, name, command })) };
}
