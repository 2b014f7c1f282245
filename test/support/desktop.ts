import { join } from "node:path";
import type { EngineOptions } from "../../src/engine/engine.ts";
import { waitUntilStable } from "../../src/engine/desktop/screenshot.ts";
import type { Session } from "../../src/engine/desktop/session.ts";
import { windowKey, type WindowFacts } from "../../src/engine/desktop/windows.ts";
import type { ProcessRun } from "../../src/engine/process/process-run.ts";
import { openEngine, said, until, type TestEngine } from "./engine.ts";

const PROGRAMS = join(import.meta.dir, "../fixtures/programs");
/** The system's own: the form needs its GTK. */
const SYSTEM_PYTHON = "/usr/bin/python3";

export type Argv = readonly [string, ...string[]];

/** An engine with its desktop started. `await using` ends it and fails when a process of it lives on. */
export class TestDesktop implements AsyncDisposable {
  readonly #launched: { readonly run: ProcessRun; readonly window: WindowFacts }[] = [];

  private constructor(
    readonly test: TestEngine,
    public session: Session,
  ) {}

  static async open(overrides: Partial<EngineOptions> = {}): Promise<TestDesktop> {
    const test = await openEngine(overrides);
    try {
      return new TestDesktop(test, await test.engine.desktop.use());
    } catch (error) {
      await test[Symbol.asyncDispose]();
      throw error;
    }
  }

  get desktop() {
    return this.test.engine.desktop;
  }

  /** Starts a program on the display. */
  start(...argv: Argv): Promise<ProcessRun> {
    return this.session.startProgram(argv);
  }

  /** Starts a program and waits for its window, with the keys. */
  async launch(...argv: Argv): Promise<{ run: ProcessRun; window: WindowFacts }> {
    await this.#untilGone(this.#launched.filter(({ run }) => run.hasEnded));
    const before = new Set((await this.session.windows.list()).map(windowKey));
    const run = await this.start(...argv);
    const window = await this.session.windows.waitFor(
      (one) => !before.has(windowKey(one)) && one.isFocused,
      30_000,
    );
    // A program that has not drawn yet may not heed anything yet either.
    await waitUntilStable(this.session, { quietMs: 50, timeoutMs: 5000 });
    if (!window) throw new Error(`${argv.join(" ")} has no window`);
    this.#launched.push({ run, window });
    return { run, window };
  }

  /** The server may not have heard yet that a program has ended, and gives the next one the same ids then. */
  async #untilGone(ended: readonly { readonly window: WindowFacts }[]): Promise<void> {
    const keys = ended.map(({ window }) => windowKey(window));
    await until(
      async () => !(await this.session.windows.list()).some((one) => keys.includes(windowKey(one))),
    );
  }

  /** A window that prints every event it gets, a line each. */
  async launchXev(): Promise<{ run: ProcessRun; window: WindowFacts }> {
    const started = await this.launch("stdbuf", "-oL", "xev", "-geometry", "400x300+300+200");
    await said(started.run, /Expose/);
    return started;
  }

  /** The form of `fixtures/programs/form.py`. */
  async launchForm(...options: readonly string[]): Promise<Form> {
    const told = join(this.test.workspace, "told");
    const { window } = await this.launch(SYSTEM_PYTHON, join(PROGRAMS, "form.py"), told, ...options);
    const form = { window, told: () => read(told), text: () => read(`${told}.text`) };
    await until(async () => (await form.told()).includes("ready"));
    return form;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.test[Symbol.asyncDispose]();
  }
}

export interface Form {
  readonly window: WindowFacts;
  /** What happened to its elements. */
  readonly told: () => Promise<string>;
  /** What the large field holds. */
  readonly text: () => Promise<string>;
}

export async function read(path: string): Promise<string> {
  const file = Bun.file(path);
  return (await file.exists()) ? file.text() : "";
}

/** Runs a tool of the machine to its end and gives what it printed; fails when it does. */
export async function tool(
  argv: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly input?: Uint8Array } = {},
): Promise<Buffer> {
  const child = Bun.spawn([...argv], {
    env: { ...process.env, ...options.env },
    stdin: options.input ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${argv.join(" ")} failed: ${err}`);
  return Buffer.from(out);
}

/** The pixels of a picture, three bytes each. */
export function pixelsOf(picture: Uint8Array): Promise<Buffer> {
  const raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
  return tool(["ffmpeg", "-v", "error", "-i", "-", ...raw], { input: picture });
}

/** What ffprobe reads of a film; fails when it is none. */
export async function film(
  path: string,
): Promise<{ width: number; height: number; frames: number; codec: string }> {
  const entries = "stream=codec_name,width,height,nb_read_frames";
  const argv = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", entries, "-of", "json", path];
  const { streams } = JSON.parse((await tool(argv)).toString()) as {
    streams: Record<string, string | number>[];
  };
  const [stream = {}] = streams;
  return {
    codec: String(stream["codec_name"]),
    width: Number(stream["width"]),
    height: Number(stream["height"]),
    frames: Number(stream["nb_read_frames"]),
  };
}
