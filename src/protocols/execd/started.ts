import { EngineError } from "../../engine/error.ts";
import type { Execution } from "../../engine/executions/execution.ts";
import { eventStream, toFrame } from "../../http/event-stream.ts";
import { fingerprintOf, keyOf, type KeyedRequest } from "../../http/idempotency-key.ts";
import type { RequestInfo, RouteInput } from "../../http/route.ts";
import type { ExecdContext } from "./context.ts";
import { completeEvent, textEvent } from "./frames.ts";
import { EXECUTION_HEADER, resumed, streamExecution } from "./run-stream.ts";

/** A request to a row that starts something. */
export interface StartRequest extends Partial<RouteInput<unknown, undefined, unknown>> {
  readonly path: string;
  readonly request: RequestInfo;
}

/**
 * The answer of every row that starts something and tells what it does: the stream that a client comes back for, the
 * run that the first request with this idempotency key has started, or else a fresh one.
 * @throws EngineError as `start`, and as `startedOnce`.
 */
export async function answerStarted(
  { path, request, params, body }: StartRequest,
  context: ExecdContext,
  start: () => Promise<Execution> | Execution,
): Promise<Response> {
  const earlier = resumed(request, context);
  if (earlier) return earlier;
  const key = keyOf(request.raw.headers);
  const input = { params, query: undefined, body };
  const keyed =
    key === undefined ? undefined : { key, fingerprint: fingerprintOf({ method: "POST", path }, input) };
  const { execution, headers } = await startedOnce(keyed, start, context);
  if (execution.facts.kind === "background") return launched(execution, headers);
  return streamExecution(execution, request, undefined, headers);
}

interface Started {
  readonly execution: Execution;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Starts an execution; a repeat with the same idempotency key gets the one that the first has started. Kept is
 * only its id: what it told is told again from its own output, for as long as that is kept.
 * @throws EngineError `conflict` for another request with this key, or when the first was lost; `gone` when its
 * execution is no longer known.
 */
async function startedOnce(
  keyed: KeyedRequest | undefined,
  start: () => Promise<Execution> | Execution,
  { engine }: ExecdContext,
): Promise<Started> {
  if (keyed === undefined) return { execution: await start(), headers: {} };
  const { answer, isReplay } = await engine.idempotency.once(
    keyed.key,
    keyed.fingerprint,
    async () => (await start()).id,
  );
  const execution = engine.executions.get(answer);
  if (execution) return { execution, headers: isReplay ? { "Idempotent-Replayed": "true" } : {} };
  throw new EngineError(
    "gone",
    `The run of this idempotency key, ${answer}, has ended and is no longer kept`,
  );
}

/** A client of a background command only hears that it runs; the run goes on without it. */
function launched({ id, run }: Execution, headers: Readonly<Record<string, string>>): Response {
  const complete = completeEvent(Date.now() - run.startedAt.getTime());
  const frames = (function* (): Generator<string, void> {
    yield toFrame(textEvent("init", id)) + toFrame(complete);
  })();
  return eventStream(frames, {
    ping: () => toFrame(textEvent("ping", "pong")),
    ended: () => undefined,
    headers: { [EXECUTION_HEADER]: id, ...headers },
  });
}
