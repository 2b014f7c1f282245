import { join } from "node:path";

/** The least that a server in this runtime can do, in a process of its own as the daemon is. */
export class Floor implements AsyncDisposable {
  private constructor(
    readonly url: string,
    readonly child: Bun.Subprocess,
  ) {}

  static async start(): Promise<Floor> {
    const ready = Promise.withResolvers<string>();
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "floor-server.ts")], {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      ipc: (url: unknown) => ready.resolve(String(url)),
    });
    return new Floor(await ready.promise, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill();
    await this.child.exited;
  }
}
