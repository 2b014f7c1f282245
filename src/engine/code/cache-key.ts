import { realpathSync, statSync } from "node:fs";
import type { Environment } from "../environment.ts";
import type { RunLimits } from "../process/containment.ts";
import { hashKey } from "./build-key.ts";
import type { LanguageId } from "./languages.ts";

export interface CacheKeyParts {
  readonly language: LanguageId;
  readonly code: string;
  readonly cwd: string;
  /** Everything the run gets, of the request, the sandbox and the machine. */
  readonly env: Environment;
  readonly limits: RunLimits | undefined;
  readonly stdin: string | undefined;
  /** Absolute path of the interpreter or compiler. */
  readonly program: string;
}

/**
 * Stands for everything that is known to make a result. Not for the files a program reads, the time, or the
 * network: who asks for a kept result says that these do not matter.
 */
export function cacheKey({ language, code, cwd, env, limits, stdin, program }: CacheKeyParts): string {
  return hashKey(
    language,
    code,
    cwd,
    JSON.stringify(sorted(env)),
    JSON.stringify(sorted(limits ?? {})),
    stdin,
    program,
    identity(program),
  );
}

/** Another version of an interpreter is another file behind the same path. */
function identity(path: string): string {
  const real = realpathSync(path);
  const { dev, ino, size, mtimeMs } = statSync(real);
  return [real, dev, ino, size, mtimeMs].join(":");
}

function sorted(record: object): [string, unknown][] {
  // A cast, because an interface has no index signature; its values are only written down.
  return Object.entries(record as Readonly<Record<string, unknown>>)
    .filter(([, value]) => value !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
}
