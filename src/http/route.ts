import type { z } from "zod";
import type { Upgrade } from "./websocket.ts";

/** ANY: every method, for rows that pass requests on. */
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "ANY";

/** What an API's documents and its dispatcher know about one answer. */
export interface ResponseSpec {
  readonly description: string;
  /** Absent: no JSON body. */
  readonly schema?: z.ZodType;
}

/** A request as a handler sees it: checked, authenticated, and with an id. */
export interface RequestInfo {
  readonly id: string;
  readonly raw: Request;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** Adds a fact, such as a run's id, to the request's log line. Never code, variables or tokens. */
  note(facts: Readonly<Record<string, string | number>>): void;
  /** Names a file for the record of what was done, where the row's checked input does not. */
  concern(path: string): void;
}

export interface Reply {
  readonly status: number;
  /** Serialised as JSON; absent for an empty answer. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler gives: a JSON answer, a raw one (a file, a stream), or the request turned into a WebSocket. */
export type Outcome = Reply | Response | Upgrade;

/** What a request to a row does to the sandbox, for the record of what was done. */
export interface RouteAction {
  /** Of the engine's kinds of actions. */
  readonly kind: string;
  /** For example `write`. */
  readonly name: string;
  /** The files that it concerns, from its checked input and what was answered. */
  paths?(input: RouteInput<unknown, unknown, unknown>, outcome: Outcome | undefined): readonly string[];
}

export interface RouteInput<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

interface RouteFacts {
  readonly method: Method;
  /** As OpenAPI writes it: `/v1/sandboxes/{id}`; a last part `*` stands for any rest. */
  readonly path: string;
  /** Further spellings of the path, for the clients that use them. */
  readonly aliases?: readonly string[];
  /** Which of the protocol's credentials lets a request in. */
  readonly credential: string;
  readonly summary: string;
  readonly responses: Readonly<Record<number, ResponseSpec>>;
  /** A body that the handler reads from the raw request itself; only for the documents. */
  readonly rawBody?: { readonly contentType: string; readonly schema: z.ZodType };
  /** Absent: it changes nothing, or what it starts is recorded by itself. */
  readonly action?: RouteAction;
  /** Whether requests may carry an Idempotency-Key; such a row answers with a `Reply`. */
  readonly idempotent?: boolean;
}

/** One row of an API's table, with the types of its input known to the handler. */
export interface RouteSpec<
  Context,
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
> extends RouteFacts {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Most bytes of a JSON body, where the API's own limit is not right. */
  bodyLimit?(context: Context): number;
  handle(
    input: RouteInput<z.output<P>, z.output<Q>, z.output<B>>,
    request: RequestInfo,
    context: Context,
  ): Promise<Outcome> | Outcome;
}

/** A row whose input types have been forgotten, so that rows fit in one list. */
export interface Route<Context> extends RouteFacts {
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  bodyLimit?(context: Context): number;
  handle(
    input: RouteInput<unknown, unknown, unknown>,
    request: RequestInfo,
    context: Context,
  ): Promise<Outcome> | Outcome;
}

/** Gives `route(...)` for one API's context. */
export function routesFor<Context>() {
  return <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
    spec: RouteSpec<Context, P, Q, B>,
    // Safe: the dispatcher parses the input with these very schemas before it calls the handler.
  ): Route<Context> => spec;
}
