import { readFileSync } from "node:fs";

const COMMAND_BYTES = 4096;

/** What one line of /proc/PID/stat says. */
export interface StatLine {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly parent: number;
  readonly ticks: number;
  readonly threads: number;
  readonly startTicks: number;
  readonly pages: number;
}

/** Undefined when there is no such process. */
export function readStatLine(pid: string): StatLine | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name may hold spaces and parentheses; the fields begin after the last one.
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  const number = (index: number) => Number(fields[index] ?? 0);
  return {
    pid: Number(pid),
    name: Buffer.from(text.slice(text.indexOf("(") + 1, close), "latin1").toString("utf8"),
    state: fields[0] ?? "?",
    parent: number(1),
    ticks: number(11) + number(12),
    threads: number(17),
    startTicks: number(19),
    pages: number(21),
  };
}

/** The arguments with spaces between them; undefined where there are none. */
export function readCommandLine(pid: number): string | undefined {
  const bytes = read(`/proc/${pid}/cmdline`)?.slice(0, COMMAND_BYTES);
  if (bytes === undefined || bytes === "") return undefined;
  return Buffer.from(bytes.replace(/\0+$/, "").replaceAll("\0", " "), "latin1").toString("utf8");
}

export interface Identity {
  /** The process itself, where a thread of it was asked about. */
  readonly leader: number;
  /** The effective one. The owner of /proc/PID would do but for processes that may not be looked into. */
  readonly uid: number;
}

/** Undefined when there is no such process or thread. */
export function identityOf(pid: number): Identity | undefined {
  const status = read(`/proc/${pid}/status`) ?? "";
  const [, leader, uid] = /^Tgid:\t(\d+)$[^]*^Uid:\t\d+\t(\d+)/m.exec(status) ?? [];
  return leader === undefined ? undefined : { leader: Number(leader), uid: Number(uid) };
}

/** Undefined when the process is gone. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
