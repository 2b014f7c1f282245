import { z } from "zod";

/** Shapes of code and its contexts. They check requests, type the handlers and make the OpenAPI document. */
export const contextRequest = z
  .object({
    language: z.string().min(1, "must not be empty"),
    cwd: z.string().nullish().describe("Made where it is missing; default: the workspace"),
  })
  .meta({ id: "CodeContextRequest", example: { language: "python" } });

export const codeContext = z
  .object({ id: z.string(), language: z.string(), cwd: z.string().optional() })
  .meta({ id: "CodeContext" });

export const codeRequest = z
  .object({
    code: z.string().min(1, "must not be empty"),
    context: z
      .object({
        id: z.string().nullish().describe("Absent: the one shared context of the language"),
        language: z
          .string()
          .nullish()
          .describe(
            "python, javascript, typescript, bash, java, go, sql; absent without an id: a shell command",
          ),
      })
      .nullish(),
  })
  .meta({ id: "RunCodeRequest", example: { code: "1 + 1", context: { language: "python" } } });
