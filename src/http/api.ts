import type { z } from "zod";
import type { Origin } from "../lib/origin.ts";
import type { Sampler } from "../lib/trace-context.ts";
import type { HostPolicy } from "./host-policy.ts";
import type { KeyedRequest } from "./idempotency-key.ts";
import type { RequestAction } from "./request-action.ts";
import type { Reply, RequestInfo, Route } from "./route.ts";

/** One line a request, written when it has been answered. */
export interface RequestRecord {
  readonly requestId: string;
  readonly method: string;
  /** The row's path, not the client's, so that lines can be counted. */
  readonly route: string;
  readonly status: number;
  /** When it came, in milliseconds since 1970, and until it was answered. */
  readonly startedAt: number;
  readonly ms: number;
  readonly origin: Origin;
  /** What it did, where its row does something and its handler was reached. */
  readonly action?: RequestAction;
  readonly facts: Readonly<Record<string, string | number>>;
  /** A fault of ours, with its cause; the client gets only the request id. */
  readonly error?: unknown;
}

export interface Api<Context> {
  /** A word for logs, figures and the record. */
  readonly name: string;
  /** Says which traces are kept; undefined: requests have no place of their own in one, it is only passed on. */
  readonly sampler: Sampler | undefined;
  readonly routes: readonly Route<Context>[];
  readonly context: Context;
  readonly hosts: HostPolicy;
  readonly allowedOrigins: readonly string[];
  readonly maxBodyBytes: number;
  /** @throws HttpFault `credential_...` when the request may not use this row. */
  authenticate(request: Request, credential: string): Promise<void> | void;
  /** Answers a request with an idempotency key: `work` is done for the first of its kind only. */
  once(keyed: KeyedRequest, request: RequestInfo, work: () => Promise<Reply>): Promise<Reply>;
  /** The parameters after the question mark; clients differ in how they write them. */
  readQuery(request: Request): Readonly<Record<string, string | readonly string[]>>;
  /**
   * A JSON body as this API's clients write it.
   * @param schema What it is checked by afterwards.
   * @throws SyntaxError.
   */
  parseJson(text: string, schema: z.ZodType): unknown;
  /** The protocol's answer to anything thrown; `isFault` marks those that are ours and must be logged. */
  answerError(error: unknown, request: Request, requestId: string): Reply & { readonly isFault: boolean };
  record(record: RequestRecord): void;
}
