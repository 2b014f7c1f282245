import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PYTHON = join(import.meta.dir, "../../.sanderling/python/bin/python");
const KEY = "key";
const DELIMITER = "<IDS|MSG>";

/**
 * ipykernel spoken to with the least that works: two Unix sockets, signed requests, no checks, no output kept. The
 * floor of what a context can do.
 */
export class BareKernel implements AsyncDisposable {
  readonly #directory: string;
  readonly #child: Bun.Subprocess;
  readonly #shell: BareSocket;
  readonly #iopub: BareSocket;

  private constructor(directory: string, child: Bun.Subprocess, shell: BareSocket, iopub: BareSocket) {
    this.#directory = directory;
    this.#child = child;
    this.#shell = shell;
    this.#iopub = iopub;
  }

  /** Starts one and waits until it has executed something. */
  static async start(): Promise<BareKernel> {
    const directory = await mkdtemp(join(tmpdir(), "bare-kernel-"));
    const ip = join(directory, "s");
    const ports = { shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5 };
    const file = join(directory, "connection.json");
    await writeFile(
      file,
      JSON.stringify({ transport: "ipc", ip, ...ports, key: KEY, signature_scheme: "hmac-sha256" }),
    );
    const child = Bun.spawn([PYTHON, "-m", "ipykernel_launcher", "-f", file], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      env: { ...process.env, JPY_PARENT_PID: String(process.pid) },
    });
    const [shell, iopub] = await Promise.all([
      BareSocket.connect(`${ip}-1`, "DEALER"),
      BareSocket.connect(`${ip}-2`, "SUB"),
    ]);
    const kernel = new BareKernel(directory, child, shell, iopub);
    await kernel.execute("0");
    return kernel;
  }

  /** Settles when the reply and "idle" have come. */
  async execute(code: string): Promise<void> {
    const id = crypto.randomUUID();
    const replied = this.#shell.until((text) => text.includes(id));
    const idle = this.#iopub.until((text) => text.includes(id) && text.includes('"execution_state": "idle"'));
    const header = { msg_id: id, msg_type: "execute_request", username: "", session: "x", version: "5.3" };
    const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
    const parts = [header, {}, {}, content].map((part) => JSON.stringify(part));
    const signature = new Bun.CryptoHasher("sha256", KEY).update(parts.join("")).digest("hex");
    this.#shell.send([DELIMITER, signature, ...parts]);
    await Promise.all([replied, idle]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

class BareSocket {
  #socket: Bun.Socket | undefined;
  #received = Buffer.alloc(0);
  #isOpen = false;
  #message = "";
  #open: PromiseWithResolvers<void> = Promise.withResolvers();
  #waits: { isIt: (text: string) => boolean; resolve: () => void }[] = [];

  static async connect(path: string, type: "DEALER" | "SUB"): Promise<BareSocket> {
    const bare = new BareSocket();
    for (;;) {
      try {
        bare.#socket = await Bun.connect({
          unix: path,
          socket: { data: (_, bytes) => bare.#receive(bytes) },
        });
        break;
      } catch {
        await Bun.sleep(5);
      }
    }
    const greeting = Buffer.alloc(64);
    greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, ...Buffer.from("NULL")]);
    const size = Buffer.from([0, 0, 0, type.length]);
    const ready = Buffer.concat([Buffer.from("\x05READY\x0bSocket-Type"), size, Buffer.from(type)]);
    bare.#socket.write(Buffer.concat([greeting, Buffer.from([4, ready.length]), ready]));
    await bare.#open.promise;
    if (type === "SUB") bare.#socket.write(Buffer.from([0, 1, 1]));
    return bare;
  }

  until(isIt: (text: string) => boolean): Promise<void> {
    return new Promise((resolve) => this.#waits.push({ isIt, resolve }));
  }

  send(frames: readonly string[]): void {
    const parts = frames.flatMap((frame, index) => {
      const body = Buffer.from(frame);
      const head = Buffer.alloc(9);
      head[0] = index < frames.length - 1 ? 3 : 2;
      head.writeBigUInt64BE(BigInt(body.length), 1);
      return [head, body];
    });
    this.#socket?.write(Buffer.concat(parts));
  }

  #receive(bytes: Uint8Array): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    if (!this.#isOpen) {
      // The greeting, and READY in a frame with a short length.
      if (this.#received.length < 66 || this.#received.length < 66 + (this.#received[65] ?? 0)) return;
      this.#received = this.#received.subarray(66 + (this.#received[65] ?? 0));
      this.#isOpen = true;
      this.#open.resolve();
    }
    while (this.#next());
  }

  /** Reads one frame, and looks whether it is one that is waited for. */
  #next(): boolean {
    const flags = this.#received[0];
    if (flags === undefined || this.#received.length < ((flags & 2) === 0 ? 2 : 9)) return false;
    const isLong = (flags & 2) !== 0;
    const length = isLong ? Number(this.#received.readBigUInt64BE(1)) : (this.#received[1] ?? 0);
    const start = isLong ? 9 : 2;
    if (this.#received.length < start + length) return false;
    this.#message += this.#received.toString("latin1", start, start + length);
    this.#received = this.#received.subarray(start + length);
    if ((flags & 1) === 0) this.#tell();
    return true;
  }

  #tell(): void {
    const text = this.#message;
    this.#message = "";
    for (const wait of this.#waits.filter(({ isIt }) => isIt(text))) {
      this.#waits.splice(this.#waits.indexOf(wait), 1);
      wait.resolve();
    }
  }
}
