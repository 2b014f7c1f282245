import { constants, mkdirSync, writeFileSync } from "node:fs";
import { lchown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../error.ts";
import type { Environment } from "../environment.ts";
import { fileCalls } from "../files/calls.ts";
import { systemCode } from "../files/faults.ts";
import { HeldDirectory } from "../files/held-directory.ts";
import { removeTree } from "../files/remove-tree.ts";
import type { RunId } from "../run.ts";
import type { RunUser } from "../user.ts";
import type { Argv, Language, LanguageId } from "./languages.ts";
import { findInPath } from "./programs.ts";
import type { Scratch } from "./runtimes.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const SMALL_CHARACTERS = 64 * 1024;

export interface ScriptContext {
  readonly scratch: Scratch;
  /** The user whose runs these are; undefined: the daemon's own. */
  readonly user: RunUser | undefined;
  /** Interpreters to use instead of those in PATH. */
  readonly programs: Programs;
}

export type Programs = Readonly<Partial<Record<LanguageId, string>>>;

/** The interpreter or compiler of a language in the PATH of a run; undefined when it is not there. */
export function findProgram(
  language: Language,
  env: Environment,
  { user, programs }: Pick<ScriptContext, "user" | "programs">,
): string | undefined {
  const configured = programs[language.id];
  return findInPath(configured === undefined ? language.programs : [configured], env["PATH"] ?? "", user);
}

/**
 * Writes the files of a one-shot program and says how it is run.
 * @throws EngineError `unsupported` when the language is not on this machine.
 */
export async function planScript(
  id: RunId,
  language: Language,
  code: string,
  place: { readonly cwd: string; readonly env: Environment },
  { scratch, user, programs }: ScriptContext,
): Promise<Argv> {
  const program = findProgram(language, place.env, { user, programs });
  if (program === undefined) {
    throw new EngineError(
      "unsupported",
      `Cannot run ${language.title}: none of ${language.programs.join(", ")} is installed. Add it with: sanderling setup ${language.setup}`,
      { details: { language: language.id, setup: `sanderling setup ${language.setup}` } },
    );
  }
  const directory = scriptDirectory(scratch, id);
  return language.plan({
    code,
    program,
    ...place,
    cache: join(place.env["XDG_CACHE_HOME"] ?? join(place.env["HOME"] ?? "/tmp", ".cache"), "sanderling"),
    runtime: (name) => scratch.runtime(name),
    write: async (name, content) => {
      const path = join(directory, name);
      if (user === undefined && content.length <= SMALL_CHARACTERS) {
        // A small file is written faster than another thread is asked to.
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        writeFileSync(path, content, { mode: 0o600, flag: "wx" });
        return path;
      }
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // Nobody but the daemon can put another thing in its place; in it the user can, so what follows is the user's.
      if (user) await lchown(directory, user.uid, user.gid);
      await using file = await fileCalls(user).open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      await file.writeFile(content);
      return path;
    },
  });
}

/** Removes what `planScript` wrote, also what the run's user has made of it. */
export async function removeScript(scratch: Scratch, id: RunId): Promise<void> {
  await using parent = await HeldDirectory.open(scratch.path, fileCalls(undefined));
  await removeTree(parent, Buffer.from(id)).catch((error: unknown) => {
    // Not every program has files.
    if (systemCode(error) !== "ENOENT") throw error;
  });
}

function scriptDirectory(scratch: Scratch, id: RunId): string {
  return join(scratch.path, id);
}
