import { join } from "node:path";
import { TestDaemon } from "../test/support/daemon.ts";
import { compare, type Row } from "./measure.ts";

/** The product's own, as `make setup` makes it. */
const PYTHON = join(import.meta.dir, "../.sanderling/python/bin/python3");
const DATA_FRAME = `import pandas as pd
df = pd.DataFrame({"name": ["Alice", "Bob", "Charlie"], "age": [25, 30, 35]})
print(df.describe())`;
const GO = 'package main\nimport "fmt"\nfunc main() { fmt.Println("hello") }';

/** Runs of code in interpreters that wait, beside the process that a shell would start. */
export async function warmRows(rounds: number): Promise<Row[]> {
  const env = { SANDERLING_LOG_LEVEL: "warn", SANDERLING_PYTHON: PYTHON };
  await using warm = await TestDaemon.start({ env });
  await using cold = await TestDaemon.start({ env: { ...env, SANDERLING_WARM_INTERPRETERS: "0" } });
  const call = (target: TestDaemon, language: string, code: string) => () => run(target, language, code);
  const frame = call(warm, "python", DATA_FRAME);
  await frame();
  await isWarm(warm, DATA_FRAME);
  return [
    ...(await compare(
      "POST /execute python hello",
      call(warm, "python", 'print("hello")'),
      "cold python3 -c, bare process",
      () => spawned([PYTHON, "-c", 'print("hello")']),
      rounds,
    )),
    ...(await compare(
      "POST /execute python DataFrame",
      frame,
      "the same run cold",
      call(cold, "python", DATA_FRAME),
      Math.min(rounds, 15),
    )),
    ...(await compare(
      "POST /execute javascript hello",
      call(warm, "javascript", 'console.log("hello")'),
      "cold node -e, bare process",
      () => spawned(["node", "-e", 'console.log("hello")']),
      rounds,
    )),
    ...(await eightClients(warm, cold)),
    ...(await builtBefore(warm)),
  ];
}

/** Ratio: runs a second, of interpreters that wait to cold ones. */
async function eightClients(warm: TestDaemon, cold: TestDaemon): Promise<Row[]> {
  const burst = (target: TestDaemon) => () =>
    Promise.all(Array.from({ length: 8 }, () => run(target, "python", 'print("hello")'))).then(
      () => undefined,
    );
  await burst(warm)();
  return compare("8 × python hello at once", burst(warm), "the same, cold", burst(cold), 15);
}

async function builtBefore(daemon: TestDaemon): Promise<Row[]> {
  if (Bun.which("go") === null) return [];
  const path = `${daemon.directory}/main.go`;
  await Bun.write(path, GO);
  await spawned(["go", "run", path]);
  await run(daemon, "go", GO);
  return compare(
    "POST /execute go, same source again",
    () => run(daemon, "go", GO),
    "go run, bare process",
    () => spawned(["go", "run", path]),
    10,
  );
}

async function run(daemon: TestDaemon, language: string, code: string): Promise<void> {
  const { status } = await daemon.post("/execute", { language, code });
  if (status !== 200) throw new Error(`/execute ${language} answered ${status}`);
}

/** Interpreters with packages are made when a program first imports them. */
async function isWarm(daemon: TestDaemon, code: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline)
    if ((await daemon.post("/execute", { code })).body["start"] === "warm") return;
  throw new Error("no interpreter came to wait");
}

async function spawned(argv: readonly string[]): Promise<void> {
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${argv.join(" ")} failed`);
}
