import { join } from "node:path";

/** The console's files as a browser loads them. */
export interface ConsoleFiles {
  /** Name of the module that starts it, and of its style sheet. */
  readonly script: string;
  readonly style: string;
  /** By name; names change with the content. */
  readonly files: ReadonlyMap<string, Blob>;
}

/** Bundles the console of this checkout. The executable has a module with the files themselves in this one's place. */
export async function readConsole(): Promise<ConsoleFiles> {
  const root = join(import.meta.dir, "../../../console");
  const built = await Bun.build({
    entrypoints: [join(root, "main.tsx")],
    root,
    target: "browser",
    format: "esm",
    splitting: true,
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
    naming: { entry: "[name]-[hash].[ext]", chunk: "chunk-[hash].[ext]", asset: "[name]-[hash].[ext]" },
  });
  const files = new Map(built.outputs.map((output) => [output.path.replace(/^.*\//, ""), output]));
  const named = (pattern: RegExp) => [...files.keys()].find((name) => pattern.test(name)) ?? "";
  return { script: named(/^main-\w+\.js$/), style: named(/\.css$/), files };
}
