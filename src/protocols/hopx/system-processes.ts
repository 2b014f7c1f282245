import { listSystemProcesses, type SystemProcess } from "../../engine/system/process-table.ts";
import { systemProcesses, systemQuery } from "./background-schema.ts";
import { route, type HopxContext } from "./context.ts";
import { errorBody } from "./schema.ts";

/** The machine's processes (contracts/hopx-agent.md, 10.6); one client lists background processes with it, too. */
export const systemProcessRoutes = [
  route({
    method: "GET",
    path: "/processes",
    credential: "token",
    summary: "The processes of the machine",
    query: systemQuery,
    responses: {
      200: { description: "The processes", schema: systemProcesses },
      400: { description: "Unknown order or bad limit", schema: errorBody },
      401: { description: "Token missing, wrong or expired", schema: errorBody },
    },
    handle: async ({ query }, _, context) => {
      const { processes, total } = await listSystemProcesses({ order: query.sort, limit: query.limit });
      return {
        status: 200,
        body: {
          processes: processes.map((process) => describe(process, context)),
          count: processes.length,
          total,
          timestamp: new Date().toISOString(),
        },
      };
    },
  }),
];

function describe(process: SystemProcess, { engine }: HopxContext) {
  const background = engine.background.withPid(process.pid);
  const started = process.startedAt.toISOString();
  return {
    pid: process.pid,
    ppid: process.parent,
    name: background?.facts.name ?? process.name,
    command: process.command,
    user: process.user,
    status: process.state,
    cpu_percent: process.cpuPercent,
    cpu_seconds: process.cpuSeconds,
    memory_percent: process.memoryPercent,
    memory_bytes: process.memoryBytes,
    threads: process.threads,
    start_time: started,
    started_at: started,
    process_id: background?.id ?? String(process.pid),
  };
}
