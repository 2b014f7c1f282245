import { basename } from "node:path";
import type { z } from "zod";
import type { BackgroundFacts } from "../../engine/background/process.ts";
import { languageNamed } from "../../engine/engine.ts";
import type { ProcessRun } from "../../engine/process/process-run.ts";
import type { RequestInfo } from "../../http/route.ts";
import {
  backgroundCodeRequest,
  backgroundCommandRequest,
  backgroundList,
  backgroundStarted,
} from "./background-schema.ts";
import { describeProcess, describeStart, statusOf } from "./background-view.ts";
import { route, type HopxContext } from "./context.ts";
import { toRunRequest } from "./run-request.ts";
import { errorBody } from "./schema.ts";

const DEFAULT_SECONDS = 300;
const SHOWN_CHARACTERS = 200;
/** Of each stream of each process; the routes of one process give more. */
const LISTED_OUTPUT_BYTES = 4096;

const responses = {
  200: { description: "It has been started", schema: backgroundStarted },
  400: { description: "Invalid request", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  429: { description: "Too many runs under way", schema: errorBody },
} as const;

/** Starting runs that nobody waits for, and all of them in a list (contracts/hopx-agent.md, 6.1 to 6.3). */
export const backgroundRoutes = [
  route({
    method: "POST",
    path: "/execute/background",
    credential: "token",
    summary: "Run code in the background",
    idempotent: true,
    body: backgroundCodeRequest,
    responses,
    handle: async ({ body }, request, context) => {
      const language = languageNamed(body.language);
      request.note({ language: language.id });
      const run = await context.engine.startCode({ ...toBackgroundRequest(body), language, code: body.code });
      return started(run, request, context, codeFacts(language.id, body.code, body.name));
    },
  }),

  route({
    method: "POST",
    path: "/commands/background",
    credential: "token",
    summary: "Run a command in the background",
    idempotent: true,
    body: backgroundCommandRequest,
    responses,
    handle: async ({ body }, request, context) => {
      const { command, args } = body;
      const run = await context.engine.startCommand({
        ...toBackgroundRequest(body),
        argv: args ? [command, ...args] : ["/bin/sh", "-c", command],
      });
      return started(run, request, context, commandFacts(body));
    },
  }),

  route({
    method: "GET",
    path: "/execute/processes",
    credential: "token",
    summary: "The background processes that run, and those that have ended lately",
    responses: { 200: { description: "Newest first", schema: backgroundList }, 401: responses[401] },
    handle: async (_, __, { engine }) => {
      const processes = await Promise.all(
        engine.background.list().map((process) => describeProcess(process, LISTED_OUTPUT_BYTES)),
      );
      return {
        status: 200,
        body: { processes, count: processes.length, timestamp: new Date().toISOString() },
      };
    },
  }),
];

type Body = z.output<typeof backgroundCommandRequest>;

function toBackgroundRequest(body: Omit<Body, "command" | "args">) {
  return {
    ...toRunRequest(body, body.timeout ?? DEFAULT_SECONDS),
    keepStdinOpen: body.stdin_open ?? false,
    kind: "background" as const,
  };
}

/** @param name What a client calls it; default: its language. */
export function codeFacts(language: string, code: string, name?: string | null): BackgroundFacts {
  const command = shorten(code.trim().split("\n", 1)[0] ?? "");
  return { name: nameOf(name, language), language, command };
}

/** Client libraries send every line as `bash -c line`; the line is what a person knows it by. */
function commandFacts({ name, command, args }: Body): BackgroundFacts {
  const program = basename(command);
  const isShell = args?.length === 2 && args[0] === "-c" && ["bash", "sh"].includes(program);
  const line = shorten(isShell ? (args[1] ?? "") : [command, ...(args ?? [])].join(" "));
  const language = args ? (isShell ? "bash" : "command") : "shell";
  return { name: nameOf(name, line), language, command: line };
}

function nameOf(given: string | null | undefined, otherwise: string): string {
  return given === undefined || given === null || given === "" ? otherwise : given;
}

function shorten(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

function started(run: ProcessRun, request: RequestInfo, { engine }: HopxContext, facts: BackgroundFacts) {
  const process = engine.background.add(run, facts);
  request.note({ runId: run.id, state: statusOf(process) });
  return { status: 200, body: describeStart(process) };
}
