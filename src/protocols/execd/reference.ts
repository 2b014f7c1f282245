import { z } from "zod";
import { describeApi } from "../../http/openapi.ts";
import { referenceFiles } from "../../http/reference-page.ts";
import type { Route } from "../../http/route.ts";
import { route, type ExecdContext } from "./context.ts";

const TITLE = "OpenSandbox Execution API";

/** The OpenAPI document of the rows that are of the API proper, and not of its documents. */
export function describeExecd(routes: readonly Route<ExecdContext>[], version: string): Promise<object> {
  return describeApi(
    routes.filter(({ credential }) => credential !== "page"),
    {
      title: TITLE,
      version,
      description: "The OpenSandbox Execution API (execd), served by Sanderling.",
      securitySchemes: {
        token: {
          name: "accessToken",
          scheme: { type: "apiKey", in: "header", name: "X-EXECD-ACCESS-TOKEN" },
        },
        api_key: { name: "apiKey", scheme: { type: "apiKey", in: "header", name: "OPEN-SANDBOX-API-KEY" } },
      },
    },
  );
}

/** Reference pages that a browser can show, and the document they are made of. */
export function referenceRoutes(api: readonly Route<ExecdContext>[]): Route<ExecdContext>[] {
  let document: Promise<object> | undefined;
  return [
    route({
      method: "GET",
      path: "/openapi.json",
      credential: "page",
      summary: "The OpenAPI document of this API",
      responses: { 200: { description: "OpenAPI 3.1", schema: z.looseObject({}) } },
      handle: async (_, __, { version }) => ({
        status: 200,
        body: await (document ??= describeExecd(api, version)),
      }),
    }),
    ...referenceFiles(TITLE).map(({ path, summary, response }) =>
      route({
        method: "GET",
        path,
        credential: "page",
        summary,
        responses: { 200: { description: "A file" } },
        handle: response,
      }),
    ),
  ];
}
