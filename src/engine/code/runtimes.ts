import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import nodeHooks from "../../../runtimes/node/hooks.mjs" with { type: "text" };
import nodeMain from "../../../runtimes/node/main.cjs" with { type: "text" };
import pythonForkServer from "../../../runtimes/python/forkserver.py" with { type: "text" };
import pythonMain from "../../../runtimes/python/main.py" with { type: "text" };
import { OwnDirectory } from "../own-directory.ts";

/** The files that run inside interpreters; they travel inside the executable. */
const FILES = {
  "python/forkserver.py": pythonForkServer,
  "python/main.py": pythonMain,
  "node/main.cjs": nodeMain,
  "node/hooks.mjs": nodeHooks,
} as const;

export type RuntimeFile = keyof typeof FILES;

const PREFIX = "sanderling-scratch-";

/**
 * A directory of the engine's own for the files of runs. Its name cannot be guessed, so that nobody can put
 * files there first; others may pass through it but not list it.
 */
export class Scratch implements AsyncDisposable {
  readonly path: string;
  readonly #parent = tmpdir();
  readonly #own = OwnDirectory.make(this.#parent, PREFIX, 0o711);

  constructor() {
    this.path = this.#own.path;
    for (const [name, text] of Object.entries(FILES)) {
      const file = join(this.path, "runtimes", name);
      const directory = join(file, "..");
      mkdirSync(directory, { recursive: true });
      // `type: "text"` gives a string, whatever the file's ending is declared as.
      writeFileSync(file, text);
      // Readable to the users that code runs as, whatever the umask.
      for (const path of [join(directory, ".."), directory]) chmodSync(path, 0o755);
      chmodSync(file, 0o644);
    }
  }

  runtime(name: RuntimeFile): string {
    return join(this.path, "runtimes", name);
  }

  /** Removes the directories of daemons that were killed. @throws the system's error. */
  async sweep(): Promise<void> {
    for (const left of await OwnDirectory.abandoned(this.#parent, PREFIX)) await left[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own[Symbol.asyncDispose]();
  }
}
