import { availableParallelism, cpus } from "node:os";
import { readText, type Hierarchy } from "../process/cgroup-files.ts";
import { CLOCK_TICKS } from "./clock.ts";
import { findCpuBound, type Bound } from "./bounds.ts";

/** Processor time used by everything within the bound, at one moment. */
interface Sample {
  readonly atMs: number;
  readonly seconds: number;
}

const SAMPLE_MS = 1000;
/** A shorter look says more about the clock's ticks than about the processors. */
const LEAST_WINDOW_MS = 200;

/**
 * How busy the processors are that are at the sandbox's disposal. It looks every second, so that whoever asks is
 * told of the last one to two seconds at once, and not after one more.
 */
export class CpuMeter implements Disposable {
  readonly #bound: Bound | undefined;
  readonly #timer: Timer;
  /** The newest last. */
  #samples: readonly Sample[];
  #last = 0;

  constructor(hierarchies: readonly Hierarchy[]) {
    this.#bound = findCpuBound(hierarchies);
    this.#samples = [this.#sample()];
    this.#timer = setInterval(() => {
      this.#samples = [...this.#samples.slice(-1), this.#sample()];
    }, SAMPLE_MS).unref();
  }

  /** Processors at the sandbox's disposal: those it may run on, and of their time what it is granted. */
  get cores(): number {
    return Math.min(this.#bound?.limit ?? Infinity, availableParallelism());
  }

  get model(): string {
    return cpus()[0]?.model.trim() ?? "unknown";
  }

  /** Of `cores`, over the last second or two; 0 to 100. */
  usagePercent(): number {
    const now = this.#sample();
    const before = this.#samples[0] ?? now;
    const elapsedMs = now.atMs - before.atMs;
    if (elapsedMs >= LEAST_WINDOW_MS) {
      const share = (now.seconds - before.seconds) / ((elapsedMs / 1000) * this.cores);
      this.#last = Math.min(100, Math.max(0, 100 * share));
    }
    return this.#last;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #sample(): Sample {
    return { atMs: performance.now(), seconds: this.#bound?.used() ?? machineSeconds() };
  }
}

/** Time that the processors on which the daemon may run were busy, since boot. */
function machineSeconds(): number {
  const allowed = allowedProcessors();
  let ticks = 0;
  for (const line of readText("/proc/stat").split("\n")) {
    const [, id, rest = ""] = /^cpu(\d+) (.*)$/.exec(line) ?? [];
    if (id === undefined || !allowed.has(Number(id))) continue;
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = rest.split(" ").map(Number);
    ticks += user + nice + system + irq + softirq + steal;
  }
  return ticks / CLOCK_TICKS;
}

function allowedProcessors(): ReadonlySet<number> {
  const [, list = ""] = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readText("/proc/self/status")) ?? [];
  const ids = list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return new Set(ids);
}
