import { readFileSync, writeFileSync } from "node:fs";

const AUTOGROUP = "/proc/self/autogroup";
/** Weighs as much as twenty-eight sessions with the usual 0 (sched(7)). */
const FAVOURED = -15;

/**
 * Gives the daemon a larger share of busy processors than each of its runs, where the kernel groups processes by
 * session (sched(7), "The autogroup feature"): every run has a session of its own, so that with 200 of them the
 * daemon would get one part in 201 and answer nobody. Needs root; without it, or without the feature, nothing
 * changes. Disposing gives the session back what it had, for it may be a person's shell.
 */
export function favourOwnSession(): Disposable {
  const before = readNice();
  const isChanged = before !== undefined && before > FAVOURED && writeNice(FAVOURED);
  return {
    [Symbol.dispose]() {
      if (isChanged) writeNice(before);
    },
  };
}

function readNice(): number | undefined {
  try {
    const nice = /nice (-?\d+)/.exec(readFileSync(AUTOGROUP, "utf8"))?.[1];
    return nice === undefined ? undefined : Number(nice);
  } catch {
    // A kernel without the feature.
    return undefined;
  }
}

function writeNice(nice: number): boolean {
  try {
    writeFileSync(AUTOGROUP, String(nice));
    return true;
  } catch {
    // Not allowed: the daemon works all the same, only less promptly on a busy machine.
    return false;
  }
}
