import type { RouteConfig } from "@asteasolutions/zod-to-openapi";
import type { z } from "zod";
import { idempotencyHeaders } from "./idempotency-key.ts";
import type { Route } from "./route.ts";

export interface DocumentInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  /** OpenAPI security schemes by the credential that rows name; absent ones need none. */
  readonly securitySchemes: Readonly<
    Record<string, { readonly name: string; readonly scheme: SecurityScheme }>
  >;
}

type SecurityScheme =
  | { readonly type: "http"; readonly scheme: string; readonly bearerFormat?: string }
  | { readonly type: "apiKey"; readonly in: "header"; readonly name: string };

/** The OpenAPI 3.1 document of a table of routes, from the very schemas that check its requests. */
export async function describeApi<Context>(
  routes: readonly Route<Context>[],
  info: DocumentInfo,
): Promise<object> {
  // Loaded when somebody asks for the document, which most daemons never see.
  const { OpenApiGeneratorV31, OpenAPIRegistry } = await import("@asteasolutions/zod-to-openapi");
  const registry = new OpenAPIRegistry();
  for (const { name, scheme } of Object.values(info.securitySchemes)) {
    registry.registerComponent("securitySchemes", name, scheme);
  }
  for (const route of routes.flatMap(eachMethod)) {
    for (const path of [route.path, ...(route.aliases ?? [])])
      registry.registerPath(describeRoute(route, path, info));
  }
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: { title: info.title, version: info.version, description: info.description },
    servers: [{ url: "/" }],
  });
}

/** The document has no word for "every method". */
function eachMethod<Context>(route: Route<Context>): Route<Context>[] {
  if (route.method !== "ANY") return [route];
  return (["GET", "POST", "PUT", "PATCH", "DELETE"] as const).map((method) => ({ ...route, method }));
}

function describeRoute<Context>(route: Route<Context>, path: string, info: DocumentInfo): RouteConfig {
  const security = info.securitySchemes[route.credential];
  const responses: RouteConfig["responses"] = {};
  for (const [status, { description, schema }] of Object.entries(route.responses)) {
    responses[status] = { description, ...(schema ? { content: { "application/json": { schema } } } : {}) };
  }
  return {
    method: route.method.toLowerCase() as RouteConfig["method"],
    path,
    summary: route.summary,
    tags: [tagOf(path)],
    security: security ? [{ [security.name]: [] }] : [],
    request: {
      // The generator asks for objects, which the parameters of a table always are.
      ...(route.params ? { params: route.params as z.ZodObject } : {}),
      ...(route.query ? { query: route.query as z.ZodObject } : {}),
      ...(route.idempotent === true ? { headers: idempotencyHeaders } : {}),
      ...(route.body
        ? {
            body: {
              required: !route.body.safeParse({}).success,
              content: { "application/json": { schema: route.body } },
            },
          }
        : {}),
      ...(route.rawBody
        ? {
            body: {
              required: true,
              content: { [route.rawBody.contentType]: { schema: route.rawBody.schema } },
            },
          }
        : {}),
    },
    responses,
  };
}

function tagOf(path: string): string {
  const [first = "", second] = path.split("/").filter(Boolean);
  return first === "v1" ? (second ?? first) : first === "" ? "about" : first;
}
