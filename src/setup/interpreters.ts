import type { RunUser } from "../engine/user.ts";
import { findCandidates, type InterpreterSearch } from "./interpreter-candidates.ts";
import { runTool } from "./tool.ts";
import { canBeChangedBy } from "./trust.ts";

/** A Python of this machine that has answered. */
export interface Interpreter {
  /** The executable itself: no shim, no link. */
  readonly path: string;
  /** For example [3, 12, 1]. */
  readonly version: readonly [major: number, minor: number, patch: number];
  /** Released, CPython, with a global lock: the kind that wheels are built for. */
  readonly isOrdinary: boolean;
  /** Whether it can make virtual environments; Debian keeps that in a package of its own. */
  readonly makesEnvironments: boolean;
}

/** The versions that runtimes/python/requirements.txt has wheels for. */
const OLDEST_MINOR = 10;
const NEWEST_MINOR = 14;
const PROBE_DEADLINE_MS = 5000;

const PROBE = `
import json, os, sys, sysconfig
from importlib.util import find_spec
ordinary = (sys.implementation.name == "cpython" and sys.version_info[3] == "final"
            and not sysconfig.get_config_var("Py_GIL_DISABLED"))
print(json.dumps([os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
                  list(sys.version_info[:3]), ordinary,
                  find_spec("venv") is not None and find_spec("ensurepip") is not None]))
`;

/** Every Python 3 that answers, newest first, each once. A broken shim is no Python. */
export async function findInterpreters(search: InterpreterSearch): Promise<Interpreter[]> {
  const answers = await Promise.all(findCandidates(search).map((path) => probe(path, search)));
  const found = new Map<string, Interpreter>();
  for (const answer of answers) if (answer) found.set(answer.path, answer);
  return [...found.values()].sort((a, b) => newerFirst(a.version, b.version));
}

/** The newest interpreter that the product's own Python can be made from. */
export function chooseInterpreter(
  interpreters: readonly Interpreter[],
  user: RunUser | undefined,
): Interpreter | undefined {
  const isRoot = process.getuid?.() === 0;
  return interpreters.find(
    ({ path, version: [major, minor], isOrdinary, makesEnvironments }) =>
      major === 3 &&
      minor >= OLDEST_MINOR &&
      minor <= NEWEST_MINOR &&
      isOrdinary &&
      makesEnvironments &&
      !(isRoot && user !== undefined && canBeChangedBy(path, user)),
  );
}

/** Isolated (-I): nothing of the environment or the home directory may speak for the interpreter. */
async function probe(program: string, search: InterpreterSearch): Promise<Interpreter | undefined> {
  const { succeeded, stdout } = await runTool([program, "-I", "-c", PROBE], {
    env: search.environment,
    user: search.user,
    output: "captured",
    deadlineMs: PROBE_DEADLINE_MS,
  });
  if (!succeeded) return undefined;
  try {
    const [path, version, isOrdinary, makesEnvironments] = JSON.parse(stdout) as Answer;
    return { path, version, isOrdinary, makesEnvironments };
  } catch {
    return undefined; // Something else of that name.
  }
}

/** What PROBE prints. */
type Answer = [string, Interpreter["version"], boolean, boolean];

function newerFirst(a: Interpreter["version"], b: Interpreter["version"]): number {
  return b[0] - a[0] || b[1] - a[1] || b[2] - a[2];
}
