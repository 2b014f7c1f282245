import { lchownSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
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
      // Exclusive: once the directory is the user's, a link could be waiting there for root to write through.
      const how = { mode: 0o600, flag: "wx" };
      // A small file is written faster than another thread is asked to.
      if (content.length <= SMALL_CHARACTERS) {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        writeFileSync(path, content, how);
      } else {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeFile(path, content, how);
      }
      if (user) for (const owned of [directory, path]) lchownSync(owned, user.uid, user.gid);
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
