import { z } from "zod";

/** Shapes of the environment's routes (contracts/hopx-agent.md, 9). */

export const envVars = z
  .object({
    env_vars: z.record(z.string(), z.string()).describe("What every run gets, with true values"),
    count: z.int(),
    custom: z.array(z.string()).describe("Names set here, rather than by the machine"),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "EnvVars" });

const MERGE = "Of PUT: change only the variables named, as PATCH always does";

export const replaceEnvRequest = z
  .object({
    env_vars: z.record(z.string(), z.string()),
    merge: z.boolean().nullish().describe(MERGE),
  })
  .meta({ id: "ReplaceEnvRequest", example: { env_vars: { API_KEY: "k", DEBUG: "1" } } });

export const mergeEnvRequest = z
  .object({
    env_vars: z.record(z.string(), z.string().nullable()).describe("null takes a variable away"),
    merge: z.boolean().nullish().describe("PATCH always merges"),
  })
  .meta({ id: "MergeEnvRequest", example: { env_vars: { DEBUG: "0", OLD: null } } });

export const envKey = z.object({ key: z.string().min(1) });
