import type { BackgroundProcess } from "../../engine/background/process.ts";
import { stopRun } from "../../engine/process/stop-run.ts";
import { describeEnd, type SignalName } from "../../engine/run.ts";
import { HttpFault } from "../../http/fault.ts";
import type { Reply } from "../../http/route.ts";
import { refuseUnknown } from "./background-one.ts";
import { killed, killOptions, killRequest, processName } from "./background-schema.ts";
import { statusOf } from "./background-view.ts";
import { route, type HopxContext } from "./context.ts";
import { errorBody } from "./schema.ts";

const responses = {
  200: { description: "It has been killed or signalled, or had ended before", schema: killed },
  400: { description: "No process named, or no such signal", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  403: { description: "A process that is not the sandbox's to kill", schema: errorBody },
  404: { description: "No such process", schema: errorBody },
} as const;

/** The five wire forms (contracts/hopx-agent.md, 6.4). An id is a process id, an execution id or a pid. */
export const killRoutes = [
  route({
    method: "DELETE",
    path: "/execute/kill",
    credential: "token",
    summary: "Kill a process named in the body or the query",
    query: killRequest,
    body: killRequest,
    responses,
    handle: ({ query, body }, _, context) => {
      const id = body.process_id ?? query.process_id;
      if (id === undefined || id === null)
        throw new HttpFault("invalid_input", "Missing required field: process_id");
      return kill(id, body.signal ?? query.signal ?? undefined, context);
    },
  }),

  route({
    method: "POST",
    path: "/execute/kill/{id}",
    aliases: ["/processes/{id}/kill"],
    credential: "token",
    summary: "Kill a process",
    params: processName,
    query: killOptions,
    body: killOptions,
    responses,
    handle: ({ params, query, body }, _, context) =>
      kill(params.id, body.signal ?? query.signal ?? undefined, context),
  }),
];

async function kill(id: string, signal: SignalName | undefined, context: HopxContext): Promise<Reply> {
  const process = context.engine.background.find(id);
  const isPid = /^\d{1,10}$/.test(id);
  // The pid of one that has ended may be another's by now.
  if (process && !(isPid && process.run.hasEnded)) return await killBackground(process, signal);
  const ended = isPid ? await context.engine.stopProcess(Number(id), signal) : undefined;
  if (ended !== undefined) return describeKill(id, Number(id), ended, signal);
  return process ? hadEnded(process) : refuseUnknown(id);
}

async function killBackground(process: BackgroundProcess, signal: SignalName | undefined): Promise<Reply> {
  if (process.run.hasEnded) return hadEnded(process);
  const ended = await stopRun(process.run, signal);
  const { body, ...reply } = describeKill(process.id, process.run.pid ?? null, ended, signal);
  const told = { execution_id: process.executionId, status: statusOf(process), end: endOf(process) };
  return { ...reply, body: { ...body, ...told } };
}

/** 200, so that a kill sent again after a lost answer is no error; the body says that nothing was done. */
function hadEnded(process: BackgroundProcess): Reply {
  const outcome = process.outcome;
  const how = outcome ? describeEnd(outcome.end) : "ended";
  return {
    status: 200,
    body: {
      process_id: process.id,
      execution_id: process.executionId,
      pid: process.run.pid ?? null,
      status: statusOf(process),
      message: `Process had already ended: ${how}`,
      was_running: false,
      end: endOf(process),
    },
  };
}

function endOf({ outcome }: BackgroundProcess) {
  if (outcome === undefined) return null;
  const { end } = outcome;
  const signal = end.cause === "signalled" ? { signal: end.signal } : {};
  return { cause: end.cause, description: describeEnd(end), ...signal };
}

function describeKill(id: string, pid: number | null, ended: boolean, signal: SignalName | undefined) {
  const sent = signal === undefined ? "Asked to end and killed, but still there" : `${signal} sent`;
  return {
    status: 200,
    body: {
      process_id: id,
      pid,
      status: ended ? "killed" : "running",
      // The text of the published page.
      message: ended ? "Process terminated successfully" : sent,
      was_running: true,
    },
  };
}
