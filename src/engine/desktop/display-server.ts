import { mkdirSync, chmodSync } from "node:fs";
import { connect } from "node:net";
import { EngineError } from "../error.ts";
import type { ProcessRun } from "../process/process-run.ts";
import { startService, type DesktopHost } from "./host.ts";
import { hasPrinted } from "./has-printed.ts";
import type { DesktopLog } from "./log.ts";
import type { SessionDirectory } from "./session-directory.ts";

/** An X server with a picture in memory, that VNC viewers can look at through a socket file (TigerVNC). */
export interface DisplayServer {
  readonly number: number;
  readonly run: ProcessRun;
  /** Where clients of X connect. */
  readonly socket: string;
}

/** Displays that other servers of this machine may have before a free one is found. */
const MOST_DISPLAYS = 64;
const SOCKET_DIRECTORY = "/tmp/.X11-unix";

/**
 * Starts a server on the first display from `first` on that is free.
 * @throws EngineError `unavailable` with the server's last words when none starts.
 */
export async function startDisplayServer(
  host: DesktopHost,
  files: SessionDirectory,
  options: { readonly first: number; readonly log: DesktopLog },
): Promise<DisplayServer> {
  makeSocketDirectory();
  let last = "all displays are taken";
  for (let number = options.first; number < options.first + MOST_DISPLAYS; number++) {
    const socket = `${SOCKET_DIRECTORY}/X${number}`;
    if (await isAnswered(socket)) continue;
    const run = await startService(host, serverArgv(number, host, files), {});
    void options.log.follow("Xvnc", run);
    if (await hasPrinted(run)) return { number, run, socket };
    last = new TextDecoder().decode((await run.journal.tail("stderr", 500)).bytes).trim();
    await run.destroy();
    // Whoever was faster has the display; anything else would fail on every other as well.
    if (!/already active|in use|cannot establish/i.test(last)) break;
  }
  throw new EngineError("unavailable", `Cannot start a display: ${last}`);
}

function serverArgv(number: number, { size }: DesktopHost, files: SessionDirectory) {
  return [
    "Xvnc",
    `:${number}`,
    // Writes the number to stdout when clients can connect.
    ...["-displayfd", "1"],
    ...["-geometry", `${size.width}x${size.height}`, "-depth", "24"],
    ...["-auth", files.file("authority"), "-nolisten", "tcp", "-noreset", "-s", "0"],
    // Viewers come through the daemon only, which has the doors.
    ...["-rfbunixpath", files.socket("vnc"), "-rfbport", "-1"],
    ...["-SecurityTypes", "VncAuth", "-PasswordFile", files.file("password"), "-AlwaysShared"],
    // What is selected with the mouse is nobody's business until it is copied.
    ...["-SendPrimary=0", "-SetPrimary=0"],
    ...["-desktop", "Sanderling"],
  ] as const;
}

/** Servers of other users put their sockets there too; only root may make it so that all can. */
function makeSocketDirectory(): void {
  if (process.getuid?.() !== 0) return;
  if (mkdirSync(SOCKET_DIRECTORY, { recursive: true }) !== undefined) chmodSync(SOCKET_DIRECTORY, 0o1777);
}

function isAnswered(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const client = connect(socket, () => resolve(true)).on("error", () => resolve(false));
  return promise.finally(() => client.destroy());
}
