import type { Environment } from "../environment.ts";

/**
 * Runs among names of its own, so that nothing of it is left in the user's. Everything that a kernel which was
 * started there would have: the working directory also as IPython's `%dhist` remembers it.
 */
const PROGRAM = `
import json, os
from IPython import get_ipython
place = json.loads(text)
os.environ.clear()
os.environ.update(place["env"])
os.chdir(place["cwd"])
get_ipython().user_ns["_dh"][:] = [place["cwd"]]
`;

/** Code that puts a waiting Python kernel into a directory and an environment; data goes as an encoded literal. */
export function placePython(cwd: string, env: Environment): string {
  const text = base64(JSON.stringify({ cwd, env }));
  const decoded = (encoded: string) => `__import__("base64").b64decode("${encoded}").decode()`;
  return `exec(${decoded(base64(PROGRAM))}, {"text": ${decoded(text)}})`;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
