import { EngineError } from "../../engine/error.ts";
import type { Execution } from "../../engine/executions/execution.ts";
import type { KeyedRequest } from "../../http/idempotency-key.ts";
import type { ExecdContext } from "./context.ts";

export interface Started {
  readonly execution: Execution;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Starts an execution; a repeat with the same idempotency key gets the one that the first has started. Kept is
 * only its id: what it told is told again from its own output, for as long as that is kept.
 * @throws EngineError `conflict` for another request with this key, or when the first was lost; `gone` when its
 * execution is no longer known.
 */
export async function startedOnce(
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
