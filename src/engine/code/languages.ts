import type { Environment } from "../environment.ts";
import { EngineError } from "../error.ts";
import { planGo } from "./go.ts";
import { planJava } from "./java.ts";
import type { RuntimeFile } from "./runtimes.ts";

export type LanguageId = "python" | "javascript" | "typescript" | "bash" | "go" | "java";

/** What a language needs to know to say how a program is run. */
export interface PlanContext {
  readonly code: string;
  /** Absolute path of the interpreter or compiler, as `programs` found it. */
  readonly program: string;
  /** Absolute path of the working directory. */
  readonly cwd: string;
  readonly env: Environment;
  /** Where the user's programs may keep what they build, as an absolute path. */
  readonly cache: string;
  /** Absolute path of a file that travels with the product. */
  readonly runtime: (name: RuntimeFile) => string;
  /** Writes a file into the run's own directory, which is removed after the run. */
  readonly write: (name: string, content: string) => Promise<string>;
}

export type Argv = readonly [string, ...string[]];

/**
 * One row a language. To add one: a row here, a program in `test/fixtures/languages`, and the row of
 * `src/setup/parts.ts` that its `setup` names.
 */
export interface Language {
  readonly id: LanguageId;
  readonly title: string;
  readonly aliases: readonly string[];
  /** Programs that can run it, in order of preference; looked up in the PATH of the run. */
  readonly programs: readonly string[];
  /** Arguments that make the program print its version. */
  readonly version: readonly string[];
  /** The argument of `sanderling setup` that brings it. */
  readonly setup: string;
  /** The command that runs the program in `cwd`; it inherits the run's environment, limits and timeout. */
  plan(context: PlanContext): Promise<Argv>;
}

/** The kernel takes at most 128 KiB in one argument; larger scripts go through a file. */
const LARGEST_ARGUMENT = 100 * 1024;

export const LANGUAGES: readonly Language[] = [
  {
    id: "python",
    title: "Python",
    aliases: ["py", "python3"],
    programs: ["python3", "python"],
    version: ["--version"],
    setup: "python",
    // Shown with a path that is nobody's, or tracebacks would quote a main.py of the working directory.
    plan: async ({ program, runtime, write, code }) => [
      program,
      runtime("python/main.py"),
      await write("main.py", code),
      "/main.py",
    ],
  },
  {
    id: "javascript",
    title: "JavaScript (Node.js)",
    aliases: ["js", "node", "nodejs"],
    programs: ["node", "nodejs"],
    version: ["--version"],
    setup: "javascript",
    plan: async ({ program, runtime, write, code }) => [
      program,
      runtime("node/main.cjs"),
      await write("main.js", code),
      "main.js",
    ],
  },
  {
    id: "typescript",
    title: "TypeScript (Node.js)",
    aliases: ["ts"],
    programs: ["node", "nodejs"],
    version: ["--version"],
    setup: "javascript",
    plan: async ({ program, runtime, write, code }) => [
      program,
      runtime("node/main.cjs"),
      await write("main.ts", await withoutTypes(code)),
      "main.ts",
    ],
  },
  {
    id: "bash",
    title: "Bash",
    aliases: ["sh", "shell"],
    programs: ["bash"],
    version: ["--version"],
    setup: "bash",
    plan: async ({ program, write, code }) =>
      Buffer.byteLength(code) <= LARGEST_ARGUMENT && !code.includes("\0")
        ? [program, "-c", code, "main.sh"]
        : [program, await write("main.sh", code)],
  },
  {
    id: "go",
    title: "Go",
    aliases: ["golang"],
    programs: ["go"],
    version: ["version"],
    setup: "go",
    plan: planGo,
  },
  {
    id: "java",
    title: "Java",
    aliases: [],
    programs: ["javac"],
    version: ["-version"],
    setup: "java",
    plan: planJava,
  },
];

/** The row of a language by its id or an alias, in any case; undefined when there is none. */
export function findLanguage(name: string): Language | undefined {
  const wanted = name.toLowerCase();
  return LANGUAGES.find(({ id, aliases }) => id === wanted || aliases.includes(wanted));
}

/**
 * The language of a name or alias.
 * @throws EngineError `invalid` with the text of the published page when there is none.
 */
export function languageNamed(name: string): Language {
  const language = findLanguage(name);
  if (language) return language;
  const known = LANGUAGES.map(({ id }) => id);
  throw new EngineError("invalid", `Invalid language: ${name}`, { details: { supported: known } });
}

/** Takes the types out and leaves every line where it is. */
async function withoutTypes(code: string): Promise<string> {
  // Loaded when first needed: it is half the start-up time and memory of everything else.
  const { transform } = await import("sucrase");
  try {
    return transform(code, { transforms: ["typescript"], disableESTransforms: true }).code;
  } catch (error) {
    return syntaxErrorOf(code, error);
  }
}

/** A program that fails as Node does for the same mistake in JavaScript: Node itself would stop at a type. */
function syntaxErrorOf(code: string, error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).replace(/ \(\d+:\d+\)$/, "");
  const { line = 1, column = 1 } = placeOf(error);
  const quoted = code.split("\n")[line - 1] ?? "";
  const shown = `:${line}\n${quoted}\n${" ".repeat(column - 1)}^\n\nSyntaxError: ${message}`;
  return `console.error(__filename + ${JSON.stringify(shown)}); process.exit(1);`;
}

/** The parser tells the place in a field that its types do not mention. */
function placeOf(error: unknown): { line?: number; column?: number } {
  const place = error instanceof Error && "loc" in error ? error.loc : undefined;
  return typeof place === "object" && place !== null ? place : {};
}
