import { closeSync } from "node:fs";
import type { RunUser } from "../user.ts";
import {
  createInputPipe,
  createMemoryFile,
  createOutputPipe,
  duplicate,
  type Pipe,
  type TerminalSize,
} from "./libc.ts";
import { openTerminal } from "./pseudo-terminal.ts";
import type { SpawnSpec } from "./spawn.ts";

/** The descriptors of a child's standard streams: the ends that it gets, and those that stay here. */
export interface Streams {
  /** Only an open one has an end to write. */
  readonly stdin: { readonly readFd: number; readonly writeFd?: number } | undefined;
  readonly stdout: Pipe;
  readonly stderr: Partial<Pipe> & Pick<Pipe, "writeFd">;
  /** The path of the program's side. */
  readonly terminal?: string;
}

/**
 * Opens what a child will find as 0, 1 and 2; all of it is the caller's.
 * @throws EngineError `unavailable` when there are too many open files, or no terminal.
 */
export function createStreams(spec: Pick<SpawnSpec, "stdin" | "terminal" | "user">): Streams {
  if (spec.terminal !== undefined) return createTerminal(spec.terminal, spec.user);
  const made: number[] = [];
  const pipe = (create: () => Pipe) => {
    const created = create();
    made.push(created.readFd, created.writeFd);
    return created;
  };
  try {
    const [stdout, stderr] = [pipe(createOutputPipe), pipe(createOutputPipe)];
    if (spec.stdin === undefined) return { stdin: undefined, stdout, stderr };
    if (spec.stdin === "open") return { stdin: pipe(createInputPipe), stdout, stderr };
    return { stdin: { readFd: createMemoryFile(spec.stdin) }, stdout, stderr };
  } catch (error) {
    made.forEach((fd) => closeSync(fd));
    throw error;
  }
}

function createTerminal(size: TerminalSize, user: RunUser | undefined): Streams {
  const { daemonFd, programFd, path } = openTerminal(size, user?.uid);
  const made = [daemonFd, programFd];
  const copy = (fd: number) => {
    const created = duplicate(fd);
    made.push(created);
    return created;
  };
  try {
    return {
      // Descriptors of their own, because each stream is closed by itself.
      stdin: { readFd: programFd, writeFd: copy(daemonFd) },
      stdout: { readFd: daemonFd, writeFd: copy(programFd) },
      stderr: { writeFd: copy(programFd) },
      terminal: path,
    };
  } catch (error) {
    made.forEach((fd) => closeSync(fd));
    throw error;
  }
}
