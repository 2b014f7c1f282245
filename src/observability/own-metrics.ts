import { readdirSync } from "node:fs";
import { counted, gauge, Histogram, type Family } from "./instruments.ts";

const DELAYS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const SAMPLE_MS = 250;

/**
 * The daemon itself, under the names that Prometheus' own client libraries use. The event loop is watched from the
 * first look on: a daemon that nobody looks at is not woken for it.
 */
export class OwnMetrics implements Disposable {
  readonly #version: string;
  readonly #delay = new Histogram(
    "sanderling_event_loop_delay_seconds",
    "By how much a timer of the daemon was late, looked at four times a second",
    [],
    DELAYS,
  );
  #timer: Timer | undefined;

  constructor(version: string) {
    this.#version = version;
  }

  families(): Family[] {
    this.#timer ??= this.#watch();
    const cpu = process.cpuUsage();
    return [
      gauge("sanderling_build_info", "1, with the version", [[{ version: this.#version }, 1]]),
      this.#delay.family(),
      counted("process_cpu_seconds_total", "Processor time of the daemon", (cpu.user + cpu.system) / 1e6),
      gauge("process_resident_memory_bytes", "Memory of the daemon", process.memoryUsage.rss()),
      gauge(
        "process_start_time_seconds",
        "When the daemon started, since 1970",
        Date.now() / 1000 - process.uptime(),
      ),
      gauge("process_open_fds", "Open files of the daemon", readdirSync("/proc/self/fd").length),
    ];
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #watch(): Timer {
    let due = performance.now() + SAMPLE_MS;
    return setInterval(() => {
      const now = performance.now();
      this.#delay.observe({}, Math.max(0, now - due) / 1000);
      due = now + SAMPLE_MS;
    }, SAMPLE_MS).unref();
  }
}
