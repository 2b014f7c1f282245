import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { RunUser } from "../user.ts";

const COOKIE_BYTES = 16;
const COOKIE_NAME = "MIT-MAGIC-COOKIE-1";
/** Any host: the file is used on this machine only. */
const FAMILY_WILD = 0xffff;

/**
 * The files of one session. The directory is the daemon's own, so that nobody can put a link where the daemon
 * writes as root; what programs of the session make themselves is in a directory of the user of the runs.
 */
export class SessionDirectory implements AsyncDisposable {
  readonly path: string;
  readonly cookie = crypto.getRandomValues(new Uint8Array(COOKIE_BYTES));
  readonly #user: RunUser | undefined;

  constructor(parent: string, user: RunUser | undefined) {
    this.#user = user;
    this.path = mkdtempSync(join(parent, "desktop-"));
    this.write("authority", authorityFile(this.cookie));
    const own = this.runtime;
    mkdirSync(own, { mode: 0o700 });
    if (!user) return;
    chownSync(own, user.uid, user.gid);
    chmodSync(this.path, 0o711);
  }

  /** The directory of the session's programs. */
  get runtime(): string {
    return this.file("runtime");
  }

  /** Where a program of the session listens. */
  socket(name: string): string {
    return join(this.runtime, name);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** A file that only the user of the runs may read. */
  write(name: string, content: string | Uint8Array): string {
    const path = this.file(name);
    writeFileSync(path, content, { mode: 0o600 });
    chmodSync(path, 0o600);
    if (this.#user) chownSync(path, this.#user.uid, this.#user.gid);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** One entry for every display (Xau library: big-endian lengths before each field). */
function authorityFile(cookie: Uint8Array): Uint8Array {
  const field = (bytes: Uint8Array) => [bytes.byteLength >> 8, bytes.byteLength & 0xff, ...bytes];
  const nothing = new Uint8Array(0);
  const name = new TextEncoder().encode(COOKIE_NAME);
  const family = [FAMILY_WILD >> 8, FAMILY_WILD & 0xff];
  return Uint8Array.from([...family, ...field(nothing), ...field(nothing), ...field(name), ...field(cookie)]);
}
