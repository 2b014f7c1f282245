import { closeSync, constants, fchmodSync, fchownSync, fstatSync, openSync } from "node:fs";
import { EngineError } from "../error.ts";
import { setTerminalSize, setUtf8Editing, unlockTerminal, type TerminalSize } from "./libc.ts";

const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;

/** Both sides of a pseudo-terminal, as descriptors that the caller owns. */
export interface PseudoTerminal {
  /** Does not block. */
  readonly daemonFd: number;
  /** Blocks, as programs expect. */
  readonly programFd: number;
  readonly path: string;
}

/**
 * Opens a new pseudo-terminal.
 * @param owner May open the terminal by its name too, as `/dev/stdout` and `script` do.
 * @throws EngineError `unavailable` when the machine has none left.
 */
export function openTerminal(size: TerminalSize, owner: number | undefined): PseudoTerminal {
  const daemonFd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  let programFd: number | undefined;
  try {
    const path = `/dev/pts/${unlockTerminal(daemonFd)}`;
    programFd = open(path, O_RDWR | O_NOCTTY);
    setTerminalSize(daemonFd, size);
    setUtf8Editing(programFd);
    if (owner !== undefined) giveTo(programFd, owner);
    return { daemonFd, programFd, path };
  } catch (error) {
    closeSync(daemonFd);
    if (programFd !== undefined) closeSync(programFd);
    throw error;
  }
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (cause) {
    throw new EngineError("unavailable", `Cannot open a pseudo-terminal: ${path} cannot be opened`, {
      cause,
    });
  }
}

/** As login does: the group stays `tty`, whose members may write to it. */
function giveTo(fd: number, owner: number): void {
  fchownSync(fd, owner, fstatSync(fd).gid);
  fchmodSync(fd, 0o620);
}
