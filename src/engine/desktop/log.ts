import { performance } from "node:perf_hooks";
import type { ProcessRun } from "../process/process-run.ts";

const MOST_LINES = 1000;
const LONGEST_LINE = 500;

/** The last lines of everything the desktop is made of, and what happened to it. */
export class DesktopLog {
  #lines: string[] = [];

  get lines(): readonly string[] {
    return this.#lines;
  }

  add(who: string, text: string): void {
    const time = new Date(performance.timeOrigin + performance.now()).toISOString();
    this.#lines.push(`${time} [${who}] ${text.slice(0, LONGEST_LINE)}`);
    if (this.#lines.length > MOST_LINES) this.#lines.splice(0, this.#lines.length - MOST_LINES);
  }

  /** Adds what a program prints, line by line, until it has ended. */
  async follow(who: string, run: ProcessRun): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const event of run.events()) {
      if (event.type !== "output") continue;
      const lines = (rest + decoder.decode(event.bytes, { stream: true })).split("\n");
      rest = (lines.pop() ?? "").slice(-LONGEST_LINE);
      for (const line of lines) if (line.trim() !== "") this.add(who, line);
    }
    if (rest.trim() !== "") this.add(who, rest);
  }
}
