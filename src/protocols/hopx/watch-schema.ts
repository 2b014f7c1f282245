import { z } from "zod";

/** What clients send on `/files/watch` (contracts/hopx-agent.md, 12.5); the libraries write `action`, not `type`. */
export const watchMessage = z.discriminatedUnion("action", [
  z
    .object({
      action: z.literal("watch"),
      path: z.string().default("/workspace").describe("A directory, or a file"),
      recursive: z.boolean().default(true).describe("Directories below it too, also those made later"),
      ignore: z
        .array(z.string().max(4096))
        .max(256)
        .default([])
        .describe("Not told of nor looked into; patterns with the meaning they have in a .gitignore"),
    })
    .meta({ id: "WatchStart" }),
  z.object({ action: z.literal("ping") }).meta({ id: "WatchPing" }),
]);

export type WatchStart = Extract<z.output<typeof watchMessage>, { action: "watch" }>;
