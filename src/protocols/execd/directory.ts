import { statSync } from "node:fs";
import type { Engine } from "../../engine/engine.ts";
import type { Environment } from "../../engine/environment.ts";
import { systemCode } from "../../engine/files/faults.ts";
import { ExecdRefusal } from "./errors.ts";
import { expandPath } from "./expand.ts";

/**
 * The directory that a request names for a run, absolute (contracts/opensandbox-execd.md, 5.2).
 * @param variables What `$NAME` in it stands for.
 * @throws ExecdRefusal 400 with the beginnings of the published messages.
 */
export function runDirectory(cwd: string | null | undefined, variables: Environment, engine: Engine): string {
  if (cwd === undefined || cwd === null || cwd === "") return engine.workspace.path;
  const path = engine.workspace.resolve(expanded(cwd, variables));
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw refusal(
      systemCode(error) === "ENOENT"
        ? `working directory does not exist: ${cwd}`
        : `cannot access working directory ${cwd}: ${String(error)}`,
    );
  }
  if (!isDirectory) throw refusal(`working directory path is not a directory: ${cwd}`);
  return path;
}

function expanded(cwd: string, variables: Environment): string {
  try {
    return expandPath(cwd, variables);
  } catch (error) {
    if (!(error instanceof ExecdRefusal)) throw error;
    throw refusal(`cannot resolve working directory ${cwd}: ${error.message}`);
  }
}

function refusal(message: string): ExecdRefusal {
  return new ExecdRefusal(400, "INVALID_REQUEST_BODY", message);
}
