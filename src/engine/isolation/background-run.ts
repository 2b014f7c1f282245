import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { newRunId, type RunId } from "../run.ts";
import { systemCode } from "../files/faults.ts";

export interface BackgroundState {
  readonly id: RunId;
  readonly startedAt: Date;
  readonly isRunning: boolean;
  /** undefined while it runs, and when the session was lost under it. */
  readonly exitCode: number | undefined;
  readonly finishedAt: Date | undefined;
}

/**
 * Code that runs in a session's shell beside its commands. Its output and its exit code are in files of the
 * session's own, because nobody outside of the namespace is its parent; code in the session could write there,
 * and would deceive nobody but whoever runs it.
 */
export class IsolatedBackgroundRun {
  readonly id: RunId = newRunId();
  readonly startedAt = new Date();
  readonly #log: string;
  readonly #status: string;

  /** @param directory Writable for the session's user. */
  constructor(directory: string) {
    this.#log = join(directory, `${this.id}.log`);
    this.#status = join(directory, `${this.id}.status`);
  }

  /** What the session's shell is told, in order to start it. */
  command(code: string): string {
    const status = `builtin printf '%s\\n' "$?" >${quote(this.#status)}`;
    return `( ( eval ${quote(code)} ); ${status} ) >${quote(this.#log)} 2>&1 </dev/null & disown`;
  }

  /** @param isLost Whether the session's shell, and with it everything in the session, has ended since. */
  async state(isLost: boolean): Promise<BackgroundState> {
    const { id, startedAt } = this;
    const text = await readFile(this.#status, "utf8").catch(ifMissing(""));
    const [, code] = /^(\d+)\n/.exec(text) ?? [];
    if (code === undefined)
      return { id, startedAt, isRunning: !isLost, exitCode: undefined, finishedAt: undefined };
    const finishedAt = (await stat(this.#status)).mtime;
    return { id, startedAt, isRunning: false, exitCode: Number(code), finishedAt };
  }

  /** Its output from a byte on, at most so much of it; the cursor is where the next part begins. */
  async logs(cursor: number, mostBytes: number): Promise<{ bytes: Uint8Array; cursor: number }> {
    const handle = await open(this.#log).catch(ifMissing(undefined));
    if (handle === undefined) return { bytes: new Uint8Array(0), cursor };
    try {
      const { size } = await handle.stat();
      const start = Math.min(cursor, size);
      const buffer = new Uint8Array(Math.min(size - start, mostBytes));
      const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, start);
      return { bytes: buffer.subarray(0, bytesRead), cursor: start + bytesRead };
    } finally {
      await handle.close();
    }
  }
}

function ifMissing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (systemCode(error) === "ENOENT") return instead;
    throw error;
  };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
