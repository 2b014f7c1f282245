import type { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import type { Session } from "../../engine/desktop/session.ts";
import { windowKey, type WindowFacts } from "../../engine/desktop/windows.ts";
import type { ProcessRun } from "../../engine/process/process-run.ts";
import { describeEnd, type RunEnd, type RunOutcome } from "../../engine/run.ts";
import type { RequestInfo } from "../../http/route.ts";
import type { HopxContext } from "./context.ts";
import type { launchBody } from "./desktop-schema.ts";
import { describeWindow } from "./desktop-window-view.ts";

const LAUNCH_SECONDS = 20;
const SETTLED = { quietMs: 50, timeoutMs: 1000 };
/** Of what a program said before it ended; the reason is in its last words. */
const LAST_WORDS_BYTES = 2048;

type LaunchBody = z.output<typeof launchBody>;

/**
 * Starts an application and waits for a window of the process itself or of one that it started.
 * @throws EngineError `invalid` for a program that cannot be started.
 */
export async function launch(
  body: LaunchBody,
  request: RequestInfo,
  { engine }: HopxContext,
): Promise<object> {
  const session = await engine.desktop.use();
  const before = new Set((await session.windows.list()).map(windowKey));
  const run = await start(body, session);
  request.note({ runId: run.id });
  if (run.pid === undefined) throw notStarted(body, (await run.outcome).end, "");
  void engine.desktop.log.follow(body.command.slice(0, 20), run);
  const started = { success: true, pid: run.pid, run_id: run.id };
  if (body.wait === false) return { ...started, window: null };
  const over = AbortSignal.any([request.signal, failed(run.outcome)]);
  const timeoutMs = (body.timeout ?? LAUNCH_SECONDS) * 1000;
  const found = await session.windows.waitFor((one) => !before.has(windowKey(one)), timeoutMs, over);
  if (found) await settle(session, found);
  return {
    ...started,
    window: found ? describeWindow(await session.windows.get(found.id)) : null,
    ...(run.ended ? await describeEarlyEnd(body, run, run.ended, found !== undefined) : {}),
  };
}

function start({ command, args, env, working_dir: cwd }: LaunchBody, session: Session): Promise<ProcessRun> {
  const argv = args ? ([command, ...args] as const) : (["/bin/sh", "-c", command] as const);
  return session.startProgram(argv, { env: env ?? {}, ...(cwd == null ? {} : { cwd }) });
}

/** A program that failed before it had a window was not launched; what a shell says of one that is missing is known. */
async function describeEarlyEnd(
  body: LaunchBody,
  run: ProcessRun,
  { end, totals }: RunOutcome,
  hasWindow: boolean,
): Promise<object> {
  const ended = describeEnd(end);
  if (hasWindow || !isFailure(end)) return { ended };
  const tail = await run.journal.tail("stderr", LAST_WORDS_BYTES, totals.stderr);
  const stderr = Buffer.from(tail.bytes).toString();
  const isMissing = !body.args && end.cause === "exited" && (end.code === 126 || end.code === 127);
  if (isMissing) throw notStarted(body, end, stderr);
  return { success: false, ended, stderr };
}

function notStarted({ command }: LaunchBody, end: RunEnd, stderr: string): EngineError {
  const said = stderr.trim();
  return new EngineError(
    "invalid",
    `Cannot start ${command}: ${describeEnd(end)}${said === "" ? "" : ` (${said})`}`,
  );
}

/** A window has the keys, and something in it, a moment after it is there; whoever types next wants that. */
async function settle(session: Session, { id }: WindowFacts): Promise<void> {
  const { waitUntilStable } = await import("../../engine/desktop/screenshot.ts");
  await session.windows.waitFor((one) => one.id === id && one.isFocused, SETTLED.timeoutMs);
  await waitUntilStable(session, SETTLED);
}

/** A line that starts an application and goes on without it has ended well, and its window may still come. */
function isFailure(end: RunEnd): boolean {
  return end.cause !== "exited" || end.code !== 0;
}

/** Aborted when a run fails. */
function failed(outcome: Promise<RunOutcome>): AbortSignal {
  const ended = new AbortController();
  void outcome.then(({ end }) => {
    if (isFailure(end)) ended.abort();
  });
  return ended.signal;
}
