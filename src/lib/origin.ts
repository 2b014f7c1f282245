import { AsyncLocalStorage } from "node:async_hooks";
import type { TraceContext } from "./trace-context.ts";

/** On whose behalf something is done: the request that it comes from. */
export interface Origin {
  /** The API that was asked, such as `hopx`. */
  readonly api: string;
  readonly requestId: string;
  /** Address of the client; undefined when it had gone before anybody asked. */
  readonly caller: string | undefined;
  /** What the client says of itself (User-Agent), cut to a bounded length. */
  readonly client: string | undefined;
  readonly trace: RequestTrace | undefined;
}

/** The trace that a request belongs to. */
export interface RequestTrace extends TraceContext {
  /** What the client named as the parent of its request; undefined when the trace begins here. */
  readonly parentSpanId: string | undefined;
  /** Whether the daemon has a span of its own in it; else it only passes on what came. */
  readonly isRecorded: boolean;
}

const current = new AsyncLocalStorage<Origin>();

/** Does some work, and all that follows from it, on behalf of a request. */
export function withOrigin<T>(origin: Origin, work: () => T): T {
  return current.run(origin, work);
}

/** The same, looked up now: who asked cannot be found out once the client has gone, and runs outlast requests. */
export function settledOrigin({ api, requestId, caller, client, trace }: Origin): Origin {
  return { api, requestId, caller, client, trace };
}

/** The request that the present work comes from; undefined for what the daemon does by itself. */
export function currentOrigin(): Origin | undefined {
  return current.getStore();
}
