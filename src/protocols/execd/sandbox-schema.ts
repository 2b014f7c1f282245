import { z } from "zod";

/** Shapes of the sandbox's own entry, as the lifecycle API publishes them (contracts/opensandbox-execd.md, 17). */
export const sandboxInfo = z
  .object({
    id: z.string(),
    status: z.object({ state: z.literal("Running") }),
    entrypoint: z.array(z.string()),
    createdAt: z.iso.datetime(),
    platform: z.object({ os: z.string(), arch: z.string() }),
  })
  .meta({ id: "Sandbox" });

export const sandboxPage = z
  .object({
    items: z.array(sandboxInfo),
    pagination: z.object({
      page: z.int(),
      pageSize: z.int(),
      totalItems: z.int(),
      totalPages: z.int(),
      hasNextPage: z.boolean(),
    }),
  })
  .meta({ id: "ListSandboxesResponse" });

export const endpoint = z
  .object({
    endpoint: z.string().describe("Host, port and path, without a scheme"),
    headers: z.record(z.string(), z.string()).describe("To be sent with every request there"),
  })
  .meta({ id: "Endpoint" });

const texts = z.union([z.string(), z.array(z.string())]);

export const listQuery = z.object({
  state: texts.optional().describe("Repeated: any of them"),
  metadata: z.string().optional().describe("This sandbox has none, so that any asked for excludes it"),
  page: z.coerce.number().int().min(1).default(1),
  pageSize: z.coerce.number().int().min(1).max(200).default(20),
});

export const endpointQuery = z.object({
  use_server_proxy: z.string().optional().describe("Every endpoint is reached through this port already"),
  expires: z.string().optional(),
});
