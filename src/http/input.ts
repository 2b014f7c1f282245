import type { z } from "zod";
import type { Api } from "./api.ts";
import { readJson } from "./body.ts";
import { describeIssues, HttpFault } from "./fault.ts";
import type { Route, RouteInput } from "./route.ts";

/**
 * What a request gives to its row, checked by the row's schemas.
 * @param params Of the path.
 * @throws HttpFault `invalid_input`, or as `readJson`.
 */
export async function readInput<Context>(
  api: Api<Context>,
  route: Route<Context>,
  request: Request,
  params: Readonly<Record<string, string>>,
): Promise<RouteInput<unknown, unknown, unknown>> {
  const mostBytes = route.bodyLimit?.(api.context) ?? api.maxBodyBytes;
  return {
    params: route.params ? parse(route.params, params) : undefined,
    query: route.query ? parse(route.query, api.readQuery(request)) : undefined,
    body: route.body ? parse(route.body, await readBody(api, request, route.body, mostBytes)) : undefined,
  };
}

function readBody<Context>(api: Api<Context>, request: Request, schema: z.ZodType, mostBytes: number) {
  return readJson(request, mostBytes, (text) => api.parseJson(text, schema));
}

function parse(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new HttpFault("invalid_input", describeIssues(result.error));
}
