/** Makes one executable that runs where neither Node, npm nor Bun is: `make build`. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { readConsole } from "../src/protocols/hopx/console-bundle.ts";
import { VERSION } from "../src/version.ts";

const ROOT = join(import.meta.dir, "..");
const target = join(ROOT, "dist/sanderling");

/** A module in the place of console-bundle.ts that has the console's files with it instead of making them. */
async function consoleModule(): Promise<string> {
  const directory = join(ROOT, "dist/console");
  await rm(directory, { recursive: true, force: true });
  const { script, style, files } = await readConsole();
  for (const [name, content] of files) await Bun.write(join(directory, name), content);
  const names = [...files.keys()];
  const imports = names.map(
    (name, index) =>
      `import file${index} from ${JSON.stringify(join(directory, name))} with { type: "file" };`,
  );
  const rows = names.map((name, index) => `[${JSON.stringify(name)}, Bun.file(file${index})]`);
  const found = `{ ...${JSON.stringify({ script, style })}, files: new Map([${rows.join(", ")}]) }`;
  return [...imports, `export async function readConsole() { return ${found}; }`].join("\n");
}

// Made before: a build within a build waits for itself.
const contents = await consoleModule();
const withConsole: Bun.BunPlugin = {
  name: "console",
  setup: (build) => {
    build.onLoad({ filter: /protocols\/hopx\/console-bundle\.ts$/ }, () => ({ contents, loader: "js" }));
  },
};

process.stdout.write(`==> Building dist/sanderling ${VERSION}\n`);
const result = await Bun.build({
  entrypoints: [join(ROOT, "src/main.ts")],
  plugins: [withConsole],
  // Nothing is taken from the directory that the executable is started in.
  compile: { outfile: target, autoloadDotenv: false, autoloadBunfig: false },
  // Parsed and compiled ahead: half of the time to start.
  bytecode: true,
  format: "esm",
  minify: { syntax: true, whitespace: true },
  sourcemap: "inline",
});
for (const message of result.logs) process.stdout.write(`${message.message}\n`);
if (!result.success) process.exit(1);
const { size } = Bun.file(target);
process.stdout.write(`==> dist/sanderling: ${Math.round(size / 2 ** 20)} MiB; try: dist/sanderling serve\n`);
