import { closeSync, openSync } from "node:fs";
import { newRunId } from "../run.ts";
import { adopt } from "./adoption.ts";
import type { Containment, Enclosure } from "./containment.ts";
import {
  createInputPipe,
  createMemoryFile,
  createOutputPipe,
  createSocketPair,
  sendWithDescriptors,
} from "./libc.ts";
import { PipeReader } from "./pipe-reader.ts";
import type { PreparedChild, ProcessRun, ProcessRunSpec } from "./process-run.ts";
import { exitOf, SpawnFailure, type Child, type ChildExit } from "./spawn.ts";
import { encodeJob, type Job, type WaitingChild } from "./waiting-child.ts";

/** Loading what programs will import may take seconds on a busy machine. */
const READY_DEADLINE_MS = 60_000;

/**
 * A process that forks others before they are needed (runtimes/python/forkserver.py has the other side and the
 * words of the protocol). It is started, contained and ended like any run; what it forks is enclosed one by
 * one, as if the daemon had started it. Its children are its own, and it tells how they end; or they are the
 * daemon's and outlive it, which takes a second fork each.
 */
export class ForkServer implements AsyncDisposable {
  readonly #run: ProcessRun;
  readonly #containment: Containment;
  readonly #children: ForkServerOptions["children"];
  readonly #socket: number;
  readonly #reports: PipeReader;
  readonly #ready = Promise.withResolvers<string | undefined>();
  readonly #forking = new Map<string, PendingFork>();
  readonly #living = new Map<number, (exit: ChildExit | "lost") => void>();
  /** What it said when it was ready. */
  readonly facts: string = "";
  #text = "";
  #serial = 0;
  #isRetired = false;

  private constructor(
    run: ProcessRun,
    { containment, children }: ForkServerOptions,
    socket: number,
    reports: number,
  ) {
    this.#run = run;
    this.#containment = containment;
    this.#children = children;
    this.#socket = socket;
    this.#reports = new PipeReader(reports, (bytes) => this.#receive(bytes));
    void run.outcome.then(() => this.#ended());
  }

  /**
   * @returns When it has loaded what it loads; undefined when it ended before that.
   */
  static async start(options: ForkServerOptions): Promise<ForkServer | undefined> {
    const [own, its] = createSocketPair();
    // Read without blocking: a blocking read would keep one of the runtime's few threads for as long as it waits.
    const reports = createOutputPipe();
    try {
      const run = await options.start([its, reports.writeFd]);
      const server = new ForkServer(run, options, own, reports.readFd);
      const timer = setTimeout(() => void run.cancel("requested"), READY_DEADLINE_MS);
      const facts = await server.#ready.promise.finally(() => clearTimeout(timer));
      if (facts !== undefined) return Object.assign(server, { facts });
      await server[Symbol.asyncDispose]();
      return undefined;
    } catch (error) {
      for (const fd of [own, reports.readFd]) closeSync(fd);
      throw error;
    } finally {
      for (const fd of [its, reports.writeFd]) closeSync(fd);
    }
  }

  get hasEnded(): boolean {
    return this.#run.hasEnded;
  }

  /** A process that waits for its job; undefined when the server cannot make one. */
  async fork(): Promise<WaitingChild | undefined> {
    if (this.#isRetired || this.hasEnded) return undefined;
    const id = String(++this.#serial);
    const enclosure = this.#containment.open(newRunId(), {});
    const [own, its] = createSocketPair();
    const [stdout, stderr] = [createOutputPipe(), createOutputPipe()];
    const entrances = enclosure.entrances();
    const joined = Promise.withResolvers<number | undefined>();
    const exited = Promise.withResolvers<ChildExit | "lost">();
    this.#forking.set(id, { joined: joined.resolve, exited: exited.resolve });
    const passed = [its, stdout.writeFd, stderr.writeFd, ...entrances];
    const isSent = sendWithDescriptors(this.#socket, new TextEncoder().encode(id), passed);
    passed.forEach((fd) => closeSync(fd));
    const pid = isSent ? await joined.promise : undefined;
    this.#forking.delete(id);
    if (pid === undefined) {
      for (const fd of [own, stdout.readFd, stderr.readFd]) closeSync(fd);
      enclosure.release();
      return undefined;
    }
    enclosure.entered(pid);
    return new ForkedChild(
      pid,
      enclosure,
      { job: own, stdout: stdout.readFd, stderr: stderr.readFd },
      exited.promise,
    );
  }

  /**
   * Forks no more, and ends by itself with the last that it has forked: only their parent learns how they end.
   * @returns When it has ended.
   */
  async retire(): Promise<void> {
    if (!this.#isRetired) closeSync(this.#socket);
    this.#isRetired = true;
    await this.#run.outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    void this.retire();
    await this.#run.destroy();
    await this.#reports.close();
  }

  #receive(bytes: Uint8Array): undefined {
    const lines = (this.#text + new TextDecoder().decode(bytes)).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) this.#report(line.split(" "));
  }

  #report([word, ...values]: readonly string[]): void {
    switch (word) {
      case "ready":
        this.#ready.resolve(values[0] ?? "");
        return;
      case "joined":
        this.#joined(values[0] ?? "", Number(values[1]));
        return;
      case "refused":
        this.#forking.get(values[0] ?? "")?.joined(undefined);
        return;
      case "exited":
        this.#exited(values.map(Number));
        return;
      case undefined:
      default:
    }
  }

  #joined(id: string, pid: number): void {
    const fork = this.#forking.get(id);
    if (!fork) return;
    if (this.#children === "own") this.#living.set(pid, fork.exited);
    else void (adopt(pid) ?? Promise.resolve("lost" as const)).then(fork.exited);
    fork.joined(pid);
  }

  #exited([pid = 0, status = 0, maxRssKib = 0, cpuSeconds = 0]: readonly number[]): void {
    this.#living.get(pid)?.(exitOf({ status, maxRssBytes: maxRssKib * 1024, cpuSeconds }));
    this.#living.delete(pid);
  }

  /** Nobody can tell any more how what it forked ends. */
  #ended(): void {
    this.#ready.resolve(undefined);
    for (const { joined } of this.#forking.values()) joined(undefined);
    for (const exited of this.#living.values()) exited("lost");
    this.#living.clear();
  }
}

export interface ForkServerOptions {
  readonly containment: Containment;
  /** Whose children they are that it forks; its program must do so. */
  readonly children: "own" | "adopted";
  /** Starts its program with these as descriptors 3 and 4. */
  readonly start: (descriptors: readonly number[]) => Promise<ProcessRun>;
}

interface PendingFork {
  readonly joined: (pid: number | undefined) => void;
  readonly exited: (exit: ChildExit | "lost") => void;
}

interface ForkedDescriptors {
  readonly job: number;
  readonly stdout: number;
  readonly stderr: number;
}

class ForkedChild implements WaitingChild {
  readonly ended: Promise<void>;
  #isTaken = false;
  #hasExited = false;

  constructor(
    readonly pid: number,
    readonly enclosure: Enclosure,
    private readonly descriptors: ForkedDescriptors,
    private readonly exited: Promise<ChildExit | "lost">,
  ) {
    this.ended = exited.then(() => void (this.#hasExited = true));
  }

  get isWaiting(): boolean {
    return !this.#isTaken && !this.#hasExited;
  }

  prepare(job: Job): PreparedChild {
    return { enclosure: this.enclosure, begin: (spec) => this.#begin(spec, job) };
  }

  discard(): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    for (const fd of Object.values(this.descriptors) as number[]) closeSync(fd);
    void this.exited.then(() => this.enclosure.release());
  }

  #begin({ stdin, descriptors = [] }: ProcessRunSpec, job: Job): Child {
    this.#isTaken = true;
    // What is passed first becomes stdin.
    const input = descriptors.length > 0 ? (openInput(stdin) ?? openNull()) : openInput(stdin);
    const message = encodeJob(job);
    const passed = input === undefined ? [] : [input.readFd];
    const isSent = sendWithDescriptors(this.descriptors.job, message, [...passed, ...descriptors]);
    for (const fd of [this.descriptors.job, ...passed]) closeSync(fd);
    const { stdout, stderr } = this.descriptors;
    if (!isSent) {
      for (const fd of [stdout, stderr, ...(input?.writeFd === undefined ? [] : [input.writeFd])])
        closeSync(fd);
      throw new SpawnFailure("other", "the interpreter that was waiting has ended");
    }
    return { pid: this.pid, stdout, stderr, stdin: input?.writeFd, exited: this.#exit() };
  }

  async #exit(): Promise<ChildExit> {
    const exit = await this.exited;
    if (exit !== "lost") return exit;
    // Whoever would have been told of its end is gone; nothing of it may live on unwatched.
    await this.enclosure.kill();
    return { code: null, signal: null, maxRssBytes: 0, cpuSeconds: 0 };
  }
}

function openNull(): { readFd: number; writeFd?: number } {
  return { readFd: openSync("/dev/null", "r") };
}

function openInput(stdin: ProcessRunSpec["stdin"]): { readFd: number; writeFd?: number } | undefined {
  if (stdin === undefined) return undefined;
  return "open" in stdin ? createInputPipe() : { readFd: createMemoryFile(stdin) };
}
