import { join } from "node:path";
import { EngineError } from "../error.ts";
import type { Environment } from "../environment.ts";
import { findLanguage, type LanguageId } from "../code/languages.ts";
import { findInPath } from "../code/programs.ts";
import type { RuntimeFile } from "../code/runtimes.ts";
import type { RunUser } from "../user.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { findKernelspecs, type KernelSpec, type KernelspecSearch } from "./kernelspecs.ts";
import { placePython } from "./place-python.ts";

/** What is known of the machine when a kernel is looked for. */
export interface KernelSearch extends KernelspecSearch {
  /** The user whose kernels these are; undefined: the daemon's own. */
  readonly user: RunUser | undefined;
  /** Interpreters to use instead of those in PATH. */
  readonly programs: Readonly<Partial<Record<LanguageId, string>>>;
  /** Absolute path of a file that travels with the product. */
  readonly runtime: (name: RuntimeFile) => string;
}

type Machine = KernelSearch & {
  /** Kernels that are installed, by name. */
  readonly installed: ReadonlyMap<string, KernelSpec>;
  /** A program in the PATH of the runs. */
  readonly which: (...names: readonly string[]) => string | undefined;
};

type Found = Omit<KernelKind, "language" | "title">;

/** One row a language. To add one: a row here, and its line in test/engine/kernels/languages.test.ts. */
interface KernelLanguage {
  readonly id: LanguageId;
  /** The kernel of this machine; undefined when there is none. */
  find(machine: Machine): Found | undefined;
}

/** Our own kernels print straight to their descriptors and are interrupted by message. */
const OWN = { transport: "ipc", forwardsOutput: false } as const;

const KERNEL_LANGUAGES: readonly KernelLanguage[] = [
  { id: "python", find: findPython },
  { id: "bash", find: findBash },
  { id: "javascript", find: (machine) => findNode("javascript", machine) },
  { id: "typescript", find: (machine) => findNode("typescript", machine) },
  { id: "java", find: findJava },
  { id: "go", find: findGo },
];

/** Beside the product's own Python: what `sanderling setup go` builds. */
export function goKernel(prefix: string): string {
  return join(prefix, "../kernels/gokernel");
}

/** The languages that have a row, with the kernel of each or undefined. */
export function listKernels(search: KernelSearch): { language: LanguageId; kind: KernelKind | undefined }[] {
  const machine = lookAround(search);
  return KERNEL_LANGUAGES.map(({ id }) => ({ language: id, kind: kindOf(id, machine) }));
}

/**
 * The kernel of a language, by its id or an alias; or any kernel that is installed, by its name or its language.
 * @throws EngineError `invalid` for a language that nobody knows, `unsupported` when its kernel is not here.
 */
export function findKind(name: string, search: KernelSearch): KernelKind {
  const machine = lookAround(search);
  const known = findLanguage(name);
  if (known) {
    const kind = kindOf(known.id, machine);
    if (kind) return kind;
    const setup = `sanderling setup ${known.setup}`;
    throw new EngineError(
      "unsupported",
      `Cannot make a context for ${known.title}: no kernel for it is installed. Add it with: ${setup}`,
      { details: { language: known.id, setup } },
    );
  }
  const spec = findInstalled(name.toLowerCase(), machine.installed);
  if (spec) return { ...foreign(spec), language: spec.language, title: spec.displayName };
  const supported = [...KERNEL_LANGUAGES.map(({ id }) => id), ...machine.installed.keys()];
  throw new EngineError("invalid", `Invalid language: ${name}`, { details: { supported } });
}

function kindOf(id: LanguageId, machine: Machine): KernelKind | undefined {
  const found = KERNEL_LANGUAGES.find((row) => row.id === id)?.find(machine);
  return found && { ...found, language: id, title: findLanguage(id)?.title ?? id };
}

function lookAround(search: KernelSearch): Machine {
  const path = search.env["PATH"] ?? "";
  return {
    ...search,
    installed: findKernelspecs(search),
    which: (...names) => findInPath(names, path, search.user),
  };
}

function findInstalled(name: string, installed: Machine["installed"]): KernelSpec | undefined {
  return installed.get(name) ?? [...installed.values()].find(({ language }) => language === name);
}

/** A kernel of which nothing is known but its kernelspec. */
function foreign(spec: KernelSpec): Found {
  return { spec, transport: "tcp", forwardsOutput: false };
}

/** ipykernel, started by a file of ours that adds what rich output needs. */
function findPython({ installed, runtime, programs, prefix }: Machine): Found | undefined {
  const spec = installed.get("python3");
  if (spec === undefined) return undefined;
  const [program, ...options] = spec.argv;
  const at = options.findIndex((word, index) => word === "-m" && options[index + 1] === "ipykernel_launcher");
  const common = { transport: "ipc", forwardsOutput: true, place: placePython } as const;
  if (at < 0) return { ...common, spec };
  const [before, after] = [options.slice(0, at), options.slice(at + 2)];
  const file = runtime("python/kernel.py");
  const found = {
    ...common,
    spec: { ...spec, argv: [programs.python ?? program, ...before, file, ...after] },
  } as const;
  // Of an interpreter of the user's own it is not known what it loads, and whether that survives a fork.
  const isOwn = programs.python === undefined && program.startsWith(join(prefix, "bin/"));
  const isPlain = Bun.deepEquals(after, ["-f", "{connection_file}"]);
  if (!isOwn || !isPlain) return found;
  const forkServer = [program, ...before, runtime("python/forkserver.py"), file] as const;
  return { ...found, forkServer, copiesItself: true };
}

function findBash({ which, runtime }: Machine): Found | undefined {
  const [node, bash] = [which("node", "nodejs"), which("bash")];
  if (node === undefined || bash === undefined) return undefined;
  const argv = [node, runtime("kernel/bash.cjs"), "{connection_file}", bash] as const;
  return { ...OWN, spec: ownSpec("bash", "Bash", argv) };
}

function findNode(language: "javascript" | "typescript", { which, runtime }: Machine): Found | undefined {
  const node = which("node", "nodejs");
  if (node === undefined) return undefined;
  const title = language === "javascript" ? "JavaScript (Node.js)" : "TypeScript (Node.js)";
  const argv = [node, runtime("kernel/node.cjs"), "{connection_file}"] as const;
  const translate = async (code: string) =>
    (await import("./translate-script.ts")).translateScript(code, language);
  return { ...OWN, spec: ownSpec(language, title, argv), translate };
}

/** JJava without its launcher, which only starts the same with this option and says so. */
function findJava({ installed, which }: Machine): Found | undefined {
  const java = which("java");
  const jar = installed.get("java")?.argv.find((word) => word.endsWith("/jjava.jar"));
  if (java === undefined || jar === undefined || which("javac") === undefined) return undefined;
  const options = [
    // Started far more often than it collects garbage: this takes a quarter off the start.
    "-XX:+UseSerialGC",
    "--add-opens",
    "jdk.jshell/jdk.jshell=ALL-UNNAMED",
    "-Djava.util.logging.config.file=/dev/null",
  ];
  const argv = [java, ...options, "-jar", jar, "{connection_file}"] as const;
  return { transport: "tcp", forwardsOutput: true, spec: ownSpec("java", "Java", argv) };
}

function findGo({ which, runtime, prefix }: Machine): Found | undefined {
  const [node, kernel] = [which("node", "nodejs"), which(goKernel(prefix))];
  if (node === undefined || kernel === undefined) return undefined;
  const argv = [node, runtime("kernel/go.cjs"), "{connection_file}", kernel] as const;
  return { ...OWN, spec: ownSpec("go", "Go", argv) };
}

function ownSpec(name: LanguageId, displayName: string, argv: KernelSpec["argv"]): KernelSpec {
  const env: Environment = {};
  return { name, displayName, language: name, argv, env, interruptMode: "message", metadata: {} };
}
