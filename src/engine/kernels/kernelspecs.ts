import { constants, openSync, closeSync, fstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Environment } from "../environment.ts";

/** How a kernel is started, as Jupyter's kernel.json says it (Jupyter client docs, "Making kernels"). */
export interface KernelSpec {
  /** What it is asked for by: the name of its directory, in lower case. */
  readonly name: string;
  readonly displayName: string;
  /** The language's own word, in lower case. */
  readonly language: string;
  /** `{connection_file}` stands where the connection file's path goes; the rest is filled in. */
  readonly argv: readonly [string, ...string[]];
  /** Over the environment of the context. */
  readonly env: Environment;
  /** Whether the kernel is interrupted by SIGINT or by a message on its control channel. */
  readonly interruptMode: "signal" | "message";
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface KernelspecSearch {
  /** The environment of runs: HOME, JUPYTER_PATH and the like say where to look. */
  readonly env: Environment;
  /** The prefix of the product's own Python. */
  readonly prefix: string;
  /** Told of every kernelspec that cannot be used; it is left out. */
  readonly onNotice: (notice: string, details: Readonly<Record<string, unknown>>) => void;
}

/** A kernelspec longer than this is none. */
const LARGEST_SPEC_BYTES = 256 * 1024;
const SYSTEM_DIRECTORIES = ["/usr/local/share/jupyter", "/usr/share/jupyter"];

/** Every kernel that is installed on this machine, by name; of two with one name the one found first. */
export function findKernelspecs(search: KernelspecSearch): ReadonlyMap<string, KernelSpec> {
  const found = new Map<string, KernelSpec>();
  for (const directory of jupyterPath(search)) {
    for (const name of kernelNames(join(directory, "kernels"))) {
      if (found.has(name.toLowerCase())) continue;
      const spec = readKernelspec(join(directory, "kernels", name), search);
      if (spec) found.set(spec.name, spec);
    }
  }
  return found;
}

/** The command line of a kernel with its connection file in place. */
export function kernelCommand({ argv }: KernelSpec, connectionFile: string): [string, ...string[]] {
  const [program, ...rest] = argv.map((word) => word.replaceAll("{connection_file}", connectionFile));
  return [program ?? argv[0], ...rest];
}

/**
 * Where Jupyter looks for data, best first (jupyter_core's `jupyter_path`): JUPYTER_PATH, then the environment
 * of the Python before the user's own directory, as for any virtual environment, then the system's.
 */
export function jupyterPath({ env, prefix }: Pick<KernelspecSearch, "env" | "prefix">): string[] {
  const named = (env["JUPYTER_PATH"] ?? "").split(":").filter(Boolean);
  const ofPython = join(prefix, "share/jupyter");
  const ofUser = userDirectory(env);
  const isUserFirst = env["JUPYTER_PREFER_ENV_PATH"] === "0";
  const own = isUserFirst ? [ofUser, ofPython] : [ofPython, ofUser];
  return [...new Set([...named, ...own, ...SYSTEM_DIRECTORIES])];
}

function userDirectory(env: Environment): string {
  const share = env["XDG_DATA_HOME"] ?? join(env["HOME"] ?? "/", ".local/share");
  return env["JUPYTER_DATA_DIR"] ?? join(share, "jupyter");
}

function kernelNames(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => /^[a-z0-9._-]+$/i.test(name));
  } catch {
    return []; // Most of the places are not there.
  }
}

function readKernelspec(directory: string, { env, prefix, onNotice }: KernelspecSearch) {
  try {
    const text = readBriefly(join(directory, "kernel.json"));
    if (text === undefined) return undefined;
    const { argv, ...rest } = parseKernelJson(text);
    const fill = (word: string) =>
      word.replaceAll("{resource_dir}", directory).replaceAll("{prefix}", prefix);
    const name = basename(directory).toLowerCase();
    const [program, ...options] = argv;
    return {
      name,
      displayName: rest.displayName ?? name,
      language: (rest.language ?? name).toLowerCase(),
      argv: [pythonOf(fill(program), prefix), ...options.map(fill)],
      env: substituted(rest.env, env),
      interruptMode: rest.interruptMode,
      metadata: rest.metadata,
    } satisfies KernelSpec;
  } catch (cause) {
    onNotice("cannot use a kernelspec; it is left out", { directory, cause: String(cause) });
    return undefined;
  }
}

/** @throws Error with what is wrong. */
function parseKernelJson(text: string) {
  const json = JSON.parse(text) as unknown;
  if (!isRecord(json)) throw new Error("it is no object");
  const { argv, env = {}, metadata = {}, interrupt_mode: mode = "signal" } = json;
  if (!Array.isArray(argv) || argv.length === 0 || !argv.every((word) => typeof word === "string"))
    throw new Error("argv is no list of words");
  if (!isRecord(env) || !Object.values(env).every((value) => typeof value === "string"))
    throw new Error("env is no object of texts");
  if (mode !== "signal" && mode !== "message") throw new Error(`interrupt_mode is ${JSON.stringify(mode)}`);
  return {
    argv: argv as [string, ...string[]], // Looked at above.
    env: env as Environment, // Likewise.
    metadata: isRecord(metadata) ? metadata : {},
    interruptMode: mode,
    displayName: typeof json["display_name"] === "string" ? json["display_name"] : undefined,
    language: typeof json["language"] === "string" ? json["language"] : undefined,
  } as const;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A kernelspec that says just `python` means the Python whose Jupyter reads it. */
function pythonOf(program: string, prefix: string): string {
  return /^python(3(\.\d+)?)?$/.test(program) ? join(prefix, "bin/python") : program;
}

/** Values may name variables of the environment; unknown ones stay as they are (Python's string.Template). */
function substituted(values: Environment, env: Environment): Environment {
  const fill = (value: string) =>
    value.replace(
      /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/g,
      (whole, dollar?: string, bare?: string, braced?: string) =>
        dollar === undefined ? (env[bare ?? braced ?? ""] ?? whole) : "$",
    );
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fill(value)]));
}

/** The place may belong to the user of the runs: no FIFO is waited for. Undefined when there is no file. */
function readBriefly(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size > LARGEST_SPEC_BYTES) throw new Error(`kernel.json has ${size} bytes`);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}
