import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import bashKernel from "../../../runtimes/kernel/bash.cjs" with { type: "text" };
import kernelFamily from "../../../runtimes/kernel/family.cjs" with { type: "text" };
import goKernel from "../../../runtimes/kernel/go.cjs" with { type: "text" };
import kernelJupyter from "../../../runtimes/kernel/jupyter.cjs" with { type: "text" };
import nodeKernel from "../../../runtimes/kernel/node.cjs" with { type: "text" };
import kernelStdin from "../../../runtimes/kernel/stdin.cjs" with { type: "text" };
import kernelZmtp from "../../../runtimes/kernel/zmtp.cjs" with { type: "text" };
import nodeHooks from "../../../runtimes/node/hooks.mjs" with { type: "text" };
import nodeMain from "../../../runtimes/node/main.cjs" with { type: "text" };
import pythonForkServer from "../../../runtimes/python/forkserver.py" with { type: "text" };
import pythonKernelObstacles from "../../../runtimes/python/kernel_obstacles.py" with { type: "text" };
import pythonKernelCopy from "../../../runtimes/python/kernel_copy.py" with { type: "text" };
import pythonKernel from "../../../runtimes/python/kernel.py" with { type: "text" };
import pythonDisplay from "../../../runtimes/python/sanderling_display.py" with { type: "text" };
import pythonShow from "../../../runtimes/python/sanderling_show.py" with { type: "text" };
import pythonMain from "../../../runtimes/python/main.py" with { type: "text" };
import { OwnDirectory } from "../own-directory.ts";

/** The files that run inside interpreters; they travel inside the executable. */
const FILES = {
  "python/forkserver.py": pythonForkServer,
  "python/main.py": pythonMain,
  "python/kernel.py": pythonKernel,
  "python/kernel_copy.py": pythonKernelCopy,
  "python/kernel_obstacles.py": pythonKernelObstacles,
  "python/sanderling_display.py": pythonDisplay,
  "python/sanderling_show.py": pythonShow,
  "kernel/bash.cjs": bashKernel,
  "kernel/family.cjs": kernelFamily,
  "kernel/go.cjs": goKernel,
  "kernel/jupyter.cjs": kernelJupyter,
  "kernel/node.cjs": nodeKernel,
  "kernel/stdin.cjs": kernelStdin,
  "kernel/zmtp.cjs": kernelZmtp,
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
