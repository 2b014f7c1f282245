import { accessSync, constants, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../engine/environment.ts";
import type { RunUser } from "../engine/user.ts";

export interface InterpreterSearch {
  /** PATH, HOME and PYENV_ROOT say where to look. */
  readonly environment: Environment;
  /** The user whose runs will use the interpreter: it is asked as that user, who may not reach it. */
  readonly user?: RunUser | undefined;
  /** Searched besides PATH. */
  readonly directories?: readonly string[];
}

const NAMES = ["python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3", "python"];
const USUAL_DIRECTORIES = ["/usr/bin", "/usr/local/bin"];

/** Programs that may be a Python 3, each once as far as their paths tell. */
export function findCandidates({
  environment,
  directories = USUAL_DIRECTORIES,
}: InterpreterSearch): string[] {
  const path = (environment["PATH"] ?? "").split(":").filter(Boolean);
  const places = [...path, ...directories].flatMap((place) => NAMES.map((name) => join(place, name)));
  const found = new Map<string, string>();
  for (const program of [...places, ...pyenvInterpreters(environment)]) {
    const target = executableTarget(program);
    // The shims of pyenv may be links to one program that goes by the name it is called with.
    if (target !== undefined) found.set(target.endsWith("/pyenv") ? program : target, program);
  }
  return [...found.values()];
}

function pyenvInterpreters({ PYENV_ROOT, HOME }: Environment): string[] {
  const versions = join(PYENV_ROOT ?? join(HOME ?? "/", ".pyenv"), "versions");
  try {
    return readdirSync(versions).map((version) => join(versions, version, "bin", "python3"));
  } catch {
    return []; // No pyenv here.
  }
}

function executableTarget(program: string): string | undefined {
  try {
    accessSync(program, constants.X_OK);
    return statSync(program).isFile() ? realpathSync(program) : undefined;
  } catch {
    return undefined;
  }
}
