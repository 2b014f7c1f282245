import { closeSync } from "node:fs";
import { EngineError } from "../error.ts";
import { createOutputPipe, createSocketPair, sendWithDescriptors } from "../process/libc.ts";
import { PipeReader } from "../process/pipe-reader.ts";

/** A kernel between two cells answers at once; what its code does in its loop may keep it for a moment. */
const ANSWER_DEADLINE_MS = 10_000;

/** It comes from a process in which others' code runs. */
const LONGEST_ANSWER = 64 * 1024;

/** The daemon's end of a kernel's descriptor 3, over which it is asked for copies (runtimes/python/kernel_copy.py). */
export class KernelControl implements Disposable {
  readonly #own: number;
  #theirs: number | undefined;
  #isClosed = false;

  private constructor(own: number, theirs: number) {
    this.#own = own;
    this.#theirs = theirs;
  }

  /** @throws EngineError `unavailable` with too many open files. */
  static open(): KernelControl {
    return new KernelControl(...createSocketPair());
  }

  /** The kernel's end, until it has been passed. */
  get theirs(): number {
    if (this.#theirs === undefined) throw new Error("it has been passed");
    return this.#theirs;
  }

  /** Told that the kernel has its end. */
  passed(): void {
    if (this.#theirs !== undefined) closeSync(this.#theirs);
    this.#theirs = undefined;
  }

  /**
   * Asks the kernel to fork itself.
   * @param words What the copy is told.
   * @param descriptors What the copy gets, and the cgroup files it joins through; they stay the caller's.
   * @returns The pid of the copy, which is the daemon's child.
   * @throws EngineError `conflict` with what stands in the way, `unavailable` when the kernel does not answer.
   */
  async fork(words: readonly string[], descriptors: readonly number[]): Promise<number> {
    const report = createOutputPipe();
    const message = new TextEncoder().encode(words.join("\0"));
    const isSent =
      !this.#isClosed && sendWithDescriptors(this.#own, message, [report.writeFd, ...descriptors]);
    closeSync(report.writeFd);
    const line = await firstLine(report.readFd);
    const [, pid] = /^joined (\d+)$/.exec(line ?? "") ?? [];
    if (pid !== undefined) return Number(pid);
    if (line?.startsWith("refused ") === true) throw refusal(line.slice("refused ".length));
    const why = isSent
      ? "its kernel does not answer"
      : "its code has closed what the kernel is asked through";
    throw new EngineError("unavailable", `Cannot copy the context: ${why}`);
  }

  /** Tells a copy, whose control this is, that it may go on. */
  go(): void {
    sendWithDescriptors(this.#own, new TextEncoder().encode("go"), []);
  }

  [Symbol.dispose](): void {
    this.passed();
    if (!this.#isClosed) closeSync(this.#own);
    this.#isClosed = true;
  }
}

/** Undefined when there is none in time. */
async function firstLine(fd: number): Promise<string | undefined> {
  let text = "";
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ANSWER_DEADLINE_MS);
  const reader = new PipeReader(fd, (bytes) => {
    text += Buffer.from(bytes).toString();
    if (text.includes("\n") || text.length > LONGEST_ANSWER) resolve(undefined);
    return undefined;
  });
  await Promise.race([promise, reader.closed]);
  clearTimeout(timer);
  await reader.close();
  return text.includes("\n") ? text.slice(0, text.indexOf("\n")) : undefined;
}

function refusal(json: string): EngineError {
  const { what, ...details } = parse(json);
  const names = Object.values(details).flat().join(", ");
  const message = `Cannot copy the context: ${String(what)}${names === "" ? "" : ` (${names})`}`;
  return new EngineError("conflict", message, { details });
}

/** As kernel_copy.py writes it: `what` is a clause about the context, the rest are lists of names. */
function parse(json: string): Readonly<Record<string, unknown>> {
  try {
    return { ...(JSON.parse(json) as object) };
  } catch {
    return { what: "its kernel has answered nothing sensible" };
  }
}
