import { mkdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LanguageId } from "../../src/engine/code/languages.ts";
import {
  Engine,
  languageNamed,
  type EngineOptions,
  type CodeRequest,
  type RunRequest,
} from "../../src/engine/engine.ts";
import { EngineError } from "../../src/engine/error.ts";
import {
  isSame,
  listProcesses,
  readStat,
  startEnvironment,
  type ProcessStat,
} from "../../src/engine/process/proc.ts";
import type { ProcessRun } from "../../src/engine/process/process-run.ts";
import { DEFAULT_TARGETS } from "../../src/engine/webhooks/targets.ts";
import type { RunEnd, RunOutcome, Stream } from "../../src/engine/run.ts";

const PROGRAMS = join(import.meta.dir, "..", "fixtures", "programs");
/** Carried by every process of one test's engine, so that a leaked one is found. */
const MARKER = "SANDERLING_TEST_ENGINE";

export interface Finished extends RunOutcome {
  readonly stdout: string;
  readonly stderr: string;
}

/** An engine with directories of its own. `await using` ends it and fails when a process of it lives on. */
export class TestEngine implements AsyncDisposable {
  readonly engine: Engine;
  readonly workspace: string;
  readonly dataDirectory: string;
  readonly home: string;
  /** Where the engine puts its temporary files. */
  readonly temporary: string;
  readonly notices: string[] = [];
  readonly #root: string;
  readonly #marker: string;

  constructor(root: string, overrides: Partial<EngineOptions>) {
    this.#root = root;
    this.#marker = `${MARKER}=${root}`;
    const directory = (name: string) => {
      mkdirSync(join(root, name));
      return join(root, name);
    };
    this.workspace = directory("workspace");
    this.dataDirectory = directory("data");
    this.home = directory("home");
    this.temporary = directory("temporary");
    this.engine = inTemporary(
      this.temporary,
      () =>
        new Engine({
          workspace: this.workspace,
          dataDirectory: this.dataDirectory,
          programs: {},
          warmInterpreters: 0,
          runAs: undefined,
          containment: "auto",
          allowedRoots: [],
          maxRuns: 256,
          desktopSize: { width: 1280, height: 800 },
          backgroundKeepMs: 60_000,
          backgroundKeepCount: 100,
          backgroundKeepBytes: 16 * 1024 * 1024,
          environmentFile: undefined,
          executionKeepMs: 60_000,
          sqlUrl: undefined,
          maxSessions: 8,
          sessionIdleMs: 60_000,
          executionKeepCount: 100,
          executionKeepBytes: 16 * 1024 * 1024,
          cacheBytes: 1024 * 1024,
          cacheTtlSeconds: 3600,
          cacheLanguages: [],
          maxContexts: 16,
          contextQueueLength: 8,
          contextIdleMs: 0,
          interruptGraceMs: 2000,
          kernelStartTimeoutMs: 60_000,
          maxDisplayBytes: 4 * 1024 * 1024,
          kernelPoolSize: 0,
          kernelPoolSpareBytes: 0,
          kernelPoolLanguages: [],
          killGraceMs: 300,
          webhookTargets: DEFAULT_TARGETS,
          webhookRetryBaseMs: 20,
          journalMemoryBytes: 256 * 1024,
          journalBytes: 16 * 1024 * 1024,
          maxTerminals: 16,
          terminalIdleMs: 0,
          timelineKeepCount: 1000,
          timelineKeepMs: 3_600_000,
          terminalReplayBytes: 1024 * 1024,
          terminalRecordingBytes: 1024 * 1024,
          onNotice: (notice) => this.notices.push(notice),
          ...overrides,
          inheritedEnvironment: {
            ...machineEnvironment(),
            HOME: this.home,
            ...overrides.inheritedEnvironment,
            [MARKER]: root,
          },
        }),
    );
  }

  sh(text: string, request: RunRequest = {}): Promise<ProcessRun> {
    return this.engine.startCommand({ argv: ["/bin/sh", "-c", text], ...request });
  }

  /** Starts one of `test/fixtures/programs`. */
  program(name: string, request: RunRequest & { args?: readonly string[] } = {}): Promise<ProcessRun> {
    const { args = [], ...rest } = request;
    return this.engine.startCommand({ argv: ["/bin/sh", join(PROGRAMS, name), ...args], ...rest });
  }

  code(
    language: LanguageId,
    code: string,
    request: Omit<CodeRequest, "language" | "code"> = {},
  ): Promise<ProcessRun> {
    return this.engine.startCode({ language: languageNamed(language), code, ...request });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
    const leaked = listProcesses().filter(
      ({ pid, state }) => state !== "Z" && startEnvironment(pid).includes(this.#marker),
    );
    for (const { pid } of leaked) process.kill(pid, "SIGKILL");
    await rm(this.#root, { recursive: true, force: true });
    if (leaked.length > 0) throw new Error(`${leaked.length} processes outlived their engine`);
  }
}

export async function openEngine(overrides: Partial<EngineOptions> = {}): Promise<TestEngine> {
  const root = await mkdtemp(join(tmpdir(), "test-engine-"));
  try {
    return new TestEngine(root, overrides);
  } catch (error) {
    const left = await readdir(join(root, "temporary"));
    await rm(root, { recursive: true, force: true });
    if (left.length > 0)
      throw new Error(`an engine that could not be made left ${left.join()}`, { cause: error });
    throw error;
  }
}

/** The engine reads the place of temporary files while it is made, and only then. */
function inTemporary<T>(directory: string, make: () => T): T {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = directory;
  try {
    return make();
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

function machineEnvironment(): Record<string, string> {
  const left = ["XDG_CACHE_HOME", "TMPDIR"];
  const kept = Object.entries(process.env).filter(([name]) => !left.includes(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""]));
}

/** Waits for the end of a run; gives it with everything printed by then as text, and frees the run. */
export async function outcome(starting: ProcessRun | Promise<ProcessRun>): Promise<Finished> {
  await using run = await starting;
  const told = await run.outcome;
  const text = async (stream: Stream) =>
    Buffer.from(await printed(run, stream, told.totals[stream])).toString();
  return { ...told, stdout: await text("stdout"), stderr: await text("stderr") };
}

/** How a run ended. */
export async function endOf(starting: ProcessRun | Promise<ProcessRun>): Promise<RunEnd> {
  return (await outcome(starting)).end;
}

/** The bytes of one stream up to the offset `end` (default: all there is). */
export async function printed(run: ProcessRun, stream: Stream = "stdout", end?: number): Promise<Uint8Array> {
  return (await run.journal.tail(stream, Number.MAX_SAFE_INTEGER, end)).bytes;
}

/** Waits until a run has printed what matches, also after its end, and gives the match. */
export async function said(
  run: ProcessRun,
  pattern: RegExp,
  stream: Stream = "stdout",
): Promise<RegExpExecArray> {
  const match = await until(async () => pattern.exec(Buffer.from(await printed(run, stream)).toString()));
  return match;
}

/** Waits for the READY line of a fixture program; gives the process that said it. */
export async function ready(run: ProcessRun, stream: Stream = "stdout") {
  const pid = Number((await said(run, /^READY (\d+)$/m, stream))[1]);
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`process ${pid} is gone before anyone could look at it`);
  return { pid, isAlive: () => isSame(stat) && !["Z", "X"].includes(readStat(pid)?.state ?? "X") };
}

/**
 * Waits until a process has children that run this program. Between fork(2) and execve(2) a child of a shell has the
 * shell's ways with signals.
 */
export async function untilChildrenAre(name: string, parent: number, count = 1): Promise<void> {
  const nameOf = ({ pid }: ProcessStat) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    } catch {
      return ""; // It has just ended.
    }
  };
  const children = () => listProcesses().filter((one) => one.parent === parent);
  await until(() => children().filter((one) => nameOf(one) === name).length >= count);
}

/** The error that a promise is rejected with; fails when there is none or it is not the engine's own. */
export async function refusal(promise: Promise<unknown>): Promise<EngineError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("expected an EngineError, but nothing was thrown");
}

/** Waits until `fact` gives something truthy. The one place in the tests that looks again and again. */
export async function until<T>(
  fact: () => T | Promise<T>,
  { deadlineMs = 30_000 }: { deadlineMs?: number } = {},
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const deadline = performance.now() + deadlineMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(50, 2 * pauseMs)) {
    const value = await fact();
    // The type above says what the check proves; the compiler cannot narrow a type parameter so.
    if (value) return value as Exclude<T, false | null | undefined | 0 | "">;
    if (performance.now() > deadline) throw new Error(`not true within ${deadlineMs} ms: ${fact.toString()}`);
    await Bun.sleep(pauseMs);
  }
}
