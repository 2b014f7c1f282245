/**
 * `make bench`: what calls cost, each beside its floor measured in the same run, because machines are noisy:
 * read the ratios. Usage: bun bench/main.ts [--rounds N] [--peer URL --peer-token TOKEN], the peer an execd.
 */
import { join } from "node:path";
import { TestDaemon } from "../test/support/daemon.ts";
import { archiveRows } from "./archives.ts";
import { execdBench } from "./execd.ts";
import { desktopRows } from "./desktop.ts";
import { fileRows } from "./files.ts";
import { throughputRows } from "./throughput.ts";
import { warmRows } from "./warm.ts";
import { Floor } from "./floor.ts";
import { kernelRows } from "./kernels.ts";
import { compare, median, row, sample, type Row } from "./measure.ts";
import { observabilityRows } from "./observability.ts";
import { streamRows } from "./streams.ts";
import { terminalRows } from "./terminal.ts";

const at = process.argv.indexOf("--rounds");
const rounds = at < 0 ? 100 : Number(process.argv[at + 1]);
if (!Number.isInteger(rounds) || rounds < 3) throw new Error("--rounds takes a whole number of at least 3");

const PROGRAMS = [
  ["python", "print('hi')", ["python3", "-c", "print('hi')"]],
  ["javascript", "console.log('hi')", ["node", "-e", "console.log('hi')"]],
  ["typescript", "console.log('hi' as string)", ["node", "-e", "console.log('hi')"]],
  ["bash", "echo hi", ["bash", "-c", "echo hi"]],
  ["go", 'package main\nfunc main() { println("hi") }', undefined],
  ["java", 'class Main { public static void main(String[] a) { System.out.println("hi"); } }', undefined],
] as const;

const EXECUTABLE = join(import.meta.dir, "../dist/sanderling");

const rows: Row[] = [];

rows.push(...(await startToFirstAnswer()));
// What waits has its own rows (warm.ts).
await using daemon = await TestDaemon.start({
  env: { SANDERLING_LOG_LEVEL: "warn", SANDERLING_WARM_INTERPRETERS: "0" },
});
await using floor = await Floor.start();
rows.push(
  row("idle memory", "MiB", [(await residentBytes(daemon.child.pid)) / 2 ** 20]),
  row("  floor: bare Bun server", "MiB", [(await residentBytes(floor.child.pid)) / 2 ** 20]),
);

rows.push(
  ...(await compare(
    "GET /ping",
    () => get(`${daemon.url}/ping`),
    "bare Bun server",
    () => get(`${floor.url}/`),
    3 * rounds,
  )),
  ...(await compare(
    "POST /commands/run echo hi",
    () => post(daemon, "/commands/run", { command: "echo hi" }),
    "bare Bun spawn over HTTP",
    () => postFloor(["/bin/sh", "-c", "echo hi"]),
    3 * rounds,
  )),
);

const info = (await (await daemon.fetch("/info")).json()) as {
  languages: { id: string; installed: boolean }[];
};
for (const [language, code, argv] of PROGRAMS) {
  if (!info.languages.some(({ id, installed }) => id === language && installed)) continue;
  const call = () => post(daemon, "/execute", { code, language });
  await call(); // The first Go or Java program of a machine is compiled, with its standard library.
  if (argv)
    rows.push(
      ...(await compare(
        `POST /execute ${language}`,
        call,
        "cold interpreter over HTTP",
        () => postFloor(argv),
        Math.min(rounds, 40),
      )),
    );
  else
    rows.push(
      row(`POST /execute ${language} (built before)`, "ms", await sample(call, Math.min(rounds, 40))),
    );
}

rows.push(...(await manyAtOnce()));
rows.push(
  row(
    "1 GiB of output: whole call",
    "ms",
    await sample(
      () => post(daemon, "/commands/run", { command: "head -c 1073741824 /dev/zero", timeout: 60 }),
      3,
    ),
  ),
);
rows.push(...(await fileRows(daemon, floor)));
rows.push(...(await kernelRows(rounds)));
rows.push(...(await execdBench(process.argv, rounds)));
rows.push(...(await throughputRows(3)));
rows.push(...(await archiveRows(daemon)));
rows.push(...(await warmRows(Math.min(rounds, 60))));
rows.push(...(await terminalRows(daemon, rounds)));
rows.push(...(await streamRows(daemon, rounds)));
rows.push(...(await desktopRows(daemon, rounds)));
rows.push(...(await observabilityRows(rounds)));
rows.push(row("memory afterwards", "MiB", [(await residentBytes(daemon.child.pid)) / 2 ** 20]));

print(rows);

async function startToFirstAnswer(): Promise<Row[]> {
  const start = (command?: string[]) => async () => {
    const env = { SANDERLING_LOG_LEVEL: "warn" };
    await using fresh = await TestDaemon.start({ env, ...(command ? { command } : {}) });
    await post(fresh, "/commands/run", { command: "true" });
  };
  const bare = async () => {
    await using fresh = await Floor.start();
    await get(fresh.url);
  };
  const rows = await compare("start to first answer, and stop", start(), "bare Bun server", bare, 7);
  if (!(await Bun.file(EXECUTABLE).exists())) return rows;
  return [...rows, row("  the executable of make build", "ms", await sample(start([EXECUTABLE]), 7))];
}

async function manyAtOnce(): Promise<Row[]> {
  const burst = (call: () => Promise<void>) => () =>
    Promise.all(Array.from({ length: 50 }, call)).then(() => undefined);
  return compare(
    "50 × POST /commands/run at once",
    burst(() => post(daemon, "/commands/run", { command: "echo hi" })),
    "50 × bare Bun spawn at once",
    burst(() => postFloor(["/bin/sh", "-c", "echo hi"])),
    20,
  );
}

async function get(url: string): Promise<void> {
  await (await fetch(url)).text();
}

async function post(target: TestDaemon, path: string, body: object): Promise<void> {
  const { status } = await target.post(path, body);
  if (status !== 200) throw new Error(`${path} answered ${status}`);
}

async function postFloor(argv: readonly string[]): Promise<void> {
  const response = await fetch(floor.url, { method: "POST", body: JSON.stringify(argv) });
  if (!(await response.text()).includes("hi")) throw new Error("the floor did not run the command");
}

async function residentBytes(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}

function print(table: readonly Row[]): void {
  console.log(
    ["what".padEnd(44), "unit".padEnd(5), "min", "median", "max", "× floor"]
      .map((head, i) => (i < 2 ? head : head.padStart(9)))
      .join(" "),
  );
  for (const { what, unit, values, ratio } of table) {
    const numbers = [Math.min(...values), median(values), Math.max(...values)].map((value) =>
      value.toFixed(2).padStart(9),
    );
    console.log(
      [what.padEnd(44), unit.padEnd(5), ...numbers, (ratio?.toFixed(2) ?? "").padStart(9)].join(" "),
    );
  }
}
