import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory, type TemporaryDirectory } from "../setup/support.ts";
import type { ProgramResult } from "./clients.ts";
import { inOwnSession } from "./daemon.ts";
import { until } from "./engine.ts";

export const ROOT = join(import.meta.dir, "../..");
/** The command line of this checkout, on the Bun that runs the tests. */
export const MAIN: readonly string[] = [process.execPath, join(ROOT, "src/main.ts")];
const DEADLINE_MS = 30_000;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface CliOptions {
  /** Variables over those of the tests, which have no settings of the daemon among them. */
  readonly env?: Environment;
  /** What is started; default: `MAIN`. */
  readonly command?: readonly string[];
}

/** Runs the command line to its end; one that goes on, as a daemon does, is killed and so has no exit code 0. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<ProgramResult> {
  const child = spawn(args, options, DEADLINE_MS);
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

/** `serve` in a process of its own; everything it prints is kept. */
export class ServeProcess implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #child: ReturnType<typeof spawn>;
  readonly #reading: Promise<unknown>;

  private constructor(args: readonly string[], options: CliOptions) {
    this.#child = spawn(["serve", ...args], options);
    this.#reading = Promise.all([
      collect(this.#child.stdout, (text) => (this.stdout += text)),
      collect(this.#child.stderr, (text) => (this.stderr += text)),
    ]);
  }

  /** Gives it when it has printed all it prints when it is ready. */
  static async start(args: readonly string[], options: CliOptions = {}): Promise<ServeProcess> {
    const serving = new ServeProcess(args, options);
    await until(() => {
      if (serving.#child.exitCode !== null) throw new Error(`serve ended: ${serving.stderr}`);
      // The last thing printed is a line for programs, or an empty one.
      return args.includes("--json") ? serving.stdout.endsWith("}\n") : serving.stdout.endsWith("\n\n");
    });
    return serving;
  }

  /** The line that `serve --json` prints. */
  get ready(): ReadyLine {
    return JSON.parse(this.stdout) as ReadyLine;
  }

  get pid(): number {
    return this.#child.pid;
  }

  fetch(path: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    return fetch(this.ready.hopx.url + path, { headers });
  }

  /** The status of a request with a token. */
  async statusFor(token: string, path = "/info"): Promise<number> {
    return (await this.fetch(path, { authorization: `Bearer ${token}` })).status;
  }

  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    await this.#reading;
    return this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export interface ReadyLine {
  readonly event: string;
  readonly version: string;
  readonly pid: number;
  readonly hopx: { readonly url: string; readonly port: number };
  readonly execd: { readonly url: string; readonly port: number };
  readonly sandbox_id: string;
  readonly workspace: string;
  readonly containment: string;
}

/** Settings that keep a daemon's files in a directory and take a free port. */
export function placedIn(directory: string) {
  return {
    SANDERLING_DATA_DIR: join(directory, "data"),
    SANDERLING_WORKSPACE: join(directory, "workspace"),
    SANDERLING_HOPX_PORT: "0",
    SANDERLING_EXECD_PORT: "0",
  };
}

/**
 * A directory with the files that a Bun program would take to be meant for itself. Code that runs in the
 * workspace can write such files, and a daemon may be started there.
 */
export async function strangerDirectory(): Promise<TemporaryDirectory> {
  const directory = temporaryDirectory();
  const file = (name: string, text: string) => writeFile(join(directory.path, name), text);
  await file(".env", "SANDERLING_SANDBOX_ID=stranger\n");
  await file("bunfig.toml", 'preload = ["./preload.ts"]\n');
  await file("preload.ts", 'await Bun.write(import.meta.dir + "/ran-as-the-daemon", "");\n');
  return directory;
}

function spawn(args: readonly string[], { env, command = MAIN }: CliOptions, timeout?: number) {
  const settingless = Object.entries(process.env).filter(([name]) => !name.startsWith("SANDERLING_"));
  return Bun.spawn(inOwnSession([...command, ...args]), {
    env: { ...Object.fromEntries(settingless), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
    ...(timeout === undefined ? {} : { timeout, killSignal: "SIGKILL" }),
  });
}

async function collect(stream: ReadableStream<Uint8Array>, keep: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) keep(decoder.decode(chunk, { stream: true }));
}
