/** `make bench`: what calls cost, each beside its floor in the same run. `--help` has the options. */
import { CATALOGUE } from "./catalogue.ts";
import { HELP, parseArguments, UsageError, type Options } from "./harness/arguments.ts";
import { interruption, Interrupted } from "./harness/interruption.ts";
import { nameOf, type Subject } from "./harness/scenario.ts";
import { select } from "./harness/select.ts";
import type { ExecdServer } from "./harness/stage.ts";
import type { Report } from "./report/report.ts";
import { TABLE_HEAD, tableLines } from "./report/table.ts";
import { run, type Listener } from "./run.ts";

const FAILED = 1;
const WRONG_ARGUMENTS = 2;
const STOPPED = 130;

const print = (text: string) => process.stdout.write(`${text}\n`);
const tell = (text: string) => process.stderr.write(`${text}\n`);

async function main(argv: readonly string[]): Promise<number> {
  const options = parseArguments(argv);
  const subjects = select(CATALOGUE, options.only);
  if (options.action === "help") return (print(HELP), 0);
  if (options.action === "list") return (list(subjects), 0);
  const report =
    options.from === undefined ? await measureAll(subjects, options) : await readReport(options.from);
  if (options.json !== undefined) await Bun.write(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.markdown !== undefined) {
    // Loaded when it is asked for: it brings a formatter.
    const { markdownOf } = await import("./report/markdown.ts");
    await Bun.write(options.markdown, await markdownOf(report));
  }
  const failed = report.subjects.flatMap(({ scenarios }) => scenarios.flatMap(({ leftOut }) => leftOut));
  return failed.some(({ isFailure }) => isFailure) ? FAILED : 0;
}

async function measureAll(subjects: readonly Subject[], options: Options): Promise<Report> {
  if (options.peer) await checkPeer(options.peer);
  const report = await run(subjects, { ...options, listener: listener(), signal: interruption() });
  for (const { what, judgements } of report.subjects.flatMap(({ scenarios }) => scenarios))
    for (const { asked, measured, isMet } of judgements)
      print(`${isMet ? "met    " : "NOT met"}  ${what}: asked ${asked}; measured ${measured}`);
  return report;
}

function listener(): Listener {
  return {
    subject: ({ title, about }) => print(["", `## ${title}`, "", about, "", ...TABLE_HEAD].join("\n")),
    begins: (text) => tell(`... ${text}`),
    measured: (scenario, measurement) => print(tableLines(scenario, measurement).join("\n")),
    leftOut: (name, { reason, isFailure }) =>
      tell(`${isFailure ? "FAILED" : "left out"}: ${name}: ${reason}`),
  };
}

function list(subjects: readonly Subject[]): void {
  for (const subject of subjects) {
    print(`${subject.name.padEnd(40)} ${subject.title}`);
    for (const scenario of subject.scenarios)
      print(`  ${nameOf(subject, scenario).padEnd(38)} ${scenario.what}`);
  }
}

/** @throws Error when it is no server of the Execution API. */
async function checkPeer({ url, token }: ExecdServer): Promise<void> {
  const answer = await fetch(`${url}/ping`, { headers: { "x-execd-access-token": token } }).catch(
    (cause: unknown) => {
      throw new Error(`the peer at ${url} does not answer: ${String(cause)}`);
    },
  );
  if (!answer.ok) throw new Error(`the peer at ${url} answers GET /ping with ${answer.status}`);
}

/** @throws Error when it was not written by this version. */
async function readReport(path: string): Promise<Report> {
  // Checked by the word that changes with the shape.
  const report = (await Bun.file(path).json()) as Report;
  if ((report.format as string) !== "sanderling-bench/1")
    throw new Error(`${path} is not what --json writes`);
  return report;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  tell(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode =
    error instanceof UsageError ? WRONG_ARGUMENTS : error instanceof Interrupted ? STOPPED : FAILED;
}
