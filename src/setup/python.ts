import pinned from "../../runtimes/python/requirements.txt" with { type: "text" };
import type { SetupContext } from "./context.ts";
import { chooseInterpreter, findInterpreters } from "./interpreters.ts";
import { OwnPython } from "./own-python.ts";
import { fillEnvironment } from "./python-environment.ts";
import { failed, type PartResult } from "./result.ts";
import { isCurrent, readStamp } from "./stamp.ts";

/** What the product's own Python has besides the standard library. */
export const PINNED_REQUIREMENTS: string = pinned;

const AGAIN = "try again with: sanderling setup python";
const NO_INTERPRETER =
  "install one with its venv module (Debian, Ubuntu: apt-get install python3 python3-venv), then: sanderling setup python";

export interface PythonOptions {
  /** In pip's format; absent: the pinned ones. */
  readonly requirements?: string;
  /** Where to look for interpreters besides PATH and pyenv; absent: the usual places. */
  readonly directories?: readonly string[];
}

/**
 * Makes the product's own Python with the pinned packages, unless it is there already. An older one stays in
 * use until the new one is whole, and stays when that cannot be made. Never rejects.
 */
export async function setUpPython(context: SetupContext, options: PythonOptions = {}): Promise<PartResult> {
  const { requirements = PINNED_REQUIREMENTS } = options;
  const own = new OwnPython(context.dataDirectory);
  try {
    const stamp = readStamp(own.path);
    const isOurs = own.owner === (context.user?.uid ?? process.getuid?.());
    if (stamp && isOurs && isCurrent(own.path, stamp, requirements)) {
      return { state: "ready", changed: false, detail: `Python ${stamp.version} in ${own.path}, up to date` };
    }
    if (stamp === undefined || !isOurs) await own.discard();
    return await make(own, context, { ...options, requirements });
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error), AGAIN);
  }
}

async function make(
  own: OwnPython,
  context: SetupContext,
  { requirements, ...search }: PythonOptions & { readonly requirements: string },
): Promise<PartResult> {
  const { output, user } = context;
  output.print("==> Looking for a Python interpreter");
  const interpreter = chooseInterpreter(await findInterpreters({ ...context, ...search }), user);
  if (interpreter === undefined) {
    const who = user === undefined ? "" : ` that ${user.name} can use and not change`;
    return failed(`found no Python 3.10 to 3.14 with the modules venv and ensurepip${who}`, NO_INTERPRETER);
  }
  try {
    const environment = own.prepare();
    const problem = await fillEnvironment(environment, interpreter, requirements, context);
    if (problem !== undefined) return failed(problem, AGAIN);
    await own.use(environment);
    const version = interpreter.version.join(".");
    return { state: "ready", changed: true, detail: `Python ${version} in ${own.path}` };
  } finally {
    await own.sweep();
  }
}
