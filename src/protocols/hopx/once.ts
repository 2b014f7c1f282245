import { EngineError } from "../../engine/error.ts";
import { HttpFault } from "../../http/fault.ts";
import type { KeyedRequest } from "../../http/idempotency-key.ts";
import type { Reply, RequestInfo } from "../../http/route.ts";
import type { HopxContext } from "./context.ts";
import { answerError } from "./errors.ts";

/**
 * Answers the first request with an idempotency key by doing the work, and repeats with what the first got.
 * Refusals are not kept, because nothing has run: the key can be used again. An error after the start of a run,
 * such as the answer to a timeout, is kept like any other answer.
 */
export async function answerOnce(
  { key, fingerprint }: KeyedRequest,
  request: RequestInfo,
  work: () => Promise<Reply>,
  { engine }: HopxContext,
): Promise<Reply> {
  let own: { readonly reply: Reply } | { readonly error: unknown } | undefined;
  const { answer, isReplay } = await engine.idempotency.once(key, fingerprint, async () => {
    try {
      own = { reply: await work() };
      return write(own.reply);
    } catch (error) {
      if (hasRunNothing(error)) throw error;
      own = { error };
      return write(answerError(error, request.raw, request.id));
    }
  });
  if (isReplay) request.note({ replayed: 1 });
  if (own && "error" in own) throw own.error;
  return own?.reply ?? replay(answer);
}

function hasRunNothing(error: unknown): boolean {
  return error instanceof HttpFault || (error instanceof EngineError && error.code !== "internal");
}

function write({ status, body, headers }: Reply): string {
  return JSON.stringify({ status, body, headers });
}

function replay(answer: string): Reply {
  // Written by `write` above.
  const reply = JSON.parse(answer) as Reply;
  return { ...reply, headers: { ...reply.headers, "Idempotent-Replayed": "true" } };
}
