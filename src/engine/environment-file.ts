import { closeSync, constants, fstatSync, mkdirSync, openSync, chownSync, readSync } from "node:fs";
import { dirname } from "node:path";
import { parseEnvironment } from "./environment-text.ts";
import type { Environment } from "./environment.ts";
import type { RunUser } from "./user.ts";

/** By this runs know where the file is; the client libraries' `set_env` appends to it. */
export const ENVIRONMENT_FILE_VARIABLE = "EXECD_ENVS";
/** Larger files are not variables. */
const MOST_BYTES = 1024 * 1024;

type OnNotice = (notice: string, details: Readonly<Record<string, unknown>>) => void;

/**
 * A file of `NAME=value` lines that whoever runs code may write and that every later run gets its variables
 * from (contracts/opensandbox-execd.md, 15.1). Read again for each run.
 */
export class EnvironmentFile {
  readonly path: string;
  readonly #owner: number;
  readonly #onNotice: OnNotice;
  #wasTold = false;

  /** @param user Whose runs write it; undefined: the daemon's own user. */
  constructor(path: string, user: RunUser | undefined, onNotice: OnNotice) {
    this.path = path;
    this.#owner = user?.uid ?? process.getuid?.() ?? 0;
    this.#onNotice = onNotice;
  }

  /** The file at `path`; or the one at `ownPath`, in a directory of its own that is made for the user. */
  static open(
    path: string | undefined,
    ownPath: string,
    user: RunUser | undefined,
    onNotice: OnNotice,
  ): EnvironmentFile {
    if (path !== undefined) return new EnvironmentFile(path, user, onNotice);
    return EnvironmentFile.inOwnDirectory(ownPath, user, onNotice);
  }

  /** As the constructor, in a directory of its own that is made for the user. */
  static inOwnDirectory(
    ...[path, user, onNotice]: ConstructorParameters<typeof EnvironmentFile>
  ): EnvironmentFile {
    const directory = dirname(path);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (user) chownSync(directory, user.uid, user.gid);
    return new EnvironmentFile(path, user, onNotice);
  }

  /** The variables of the file, `$NAME` in them replaced from `environment`; none where there is no file. */
  read(environment: Environment): Environment {
    try {
      return parseEnvironment(this.#text(), environment);
    } catch (error) {
      this.#tell(error);
      return {};
    }
  }

  /**
   * Opened without following a link and without waiting for a writer: the runs that write it must not make the
   * daemon read what only the daemon may read.
   */
  #text(): string {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const fd = openSync(this.path, flags);
    try {
      const facts = fstatSync(fd);
      if (!facts.isFile()) throw new Error("it is not a regular file");
      if (facts.uid !== this.#owner) throw new Error(`it belongs to another user (${facts.uid})`);
      if (facts.size > MOST_BYTES) throw new Error(`it is larger than ${MOST_BYTES} bytes`);
      const bytes = Buffer.alloc(facts.size);
      return bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.byteLength, 0));
    } finally {
      closeSync(fd);
    }
  }

  /** Once: a run must not fail for it, and a line for every run would drown the log. */
  #tell(error: unknown): void {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isMissing || this.#wasTold) return;
    this.#wasTold = true;
    this.#onNotice("cannot read the file of environment variables", {
      path: this.path,
      cause: String(error),
    });
  }
}
