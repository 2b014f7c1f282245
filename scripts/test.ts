/**
 * Everything that `make test` does, in order, on a machine where nothing was prepared: what the tests need is
 * made first; then formatting, types, lint and the tests. Arguments name test files or folders.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const DATA = join(ROOT, ".sanderling");
const CLIENTS = join(DATA, "test-clients");
const REPORT = join(DATA, "test-report.xml");
const BIN = join(ROOT, "node_modules/.bin");

function say(text: string): void {
  process.stdout.write(`==> ${text}\n`);
}

async function run(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<boolean> {
  const child = Bun.spawn([...argv], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  return (await child.exited) === 0;
}

async function must(what: string, argv: readonly string[]): Promise<void> {
  say(what);
  if (await run(argv)) return;
  process.stderr.write(`FAILED: ${what}\n`);
  process.exit(1);
}

/** A Python with the vendors' client libraries, which are test dependencies only. */
async function makeClientPython(): Promise<void> {
  const requirements = join(ROOT, "test/requirements.txt");
  const stamp = join(CLIENTS, "requirements.txt");
  const wanted = await Bun.file(requirements).text();
  if (
    (await Bun.file(stamp)
      .text()
      .catch(() => "")) === wanted
  )
    return;
  const own = join(DATA, "python/bin/python");
  await must("Making a Python environment for the client libraries", [
    existsSync(own) ? own : "python3",
    "-m",
    "venv",
    "--clear",
    CLIENTS,
  ]);
  await must("Installing the client libraries", [
    join(CLIENTS, "bin/pip"),
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-r",
    requirements,
  ]);
  await Bun.write(stamp, wanted);
}

/** A display, and what the tests of the desktop look at it with: a form to fill in, films to examine. */
const DESKTOP_PACKAGES = ["python3-gi", "gir1.2-gtk-3.0", "x11-utils"];

async function makeDesktop(): Promise<void> {
  await must("Setting up the desktop (Debian packages)", ["bin/sanderling", "setup", "desktop"]);
  if (Bun.spawnSync(["dpkg", "-s", ...DESKTOP_PACKAGES]).success) return;
  await must("Installing what the tests of the desktop look with", [
    ...["apt-get", "install", "-y", "-q", "--no-install-recommends"],
    ...DESKTOP_PACKAGES,
  ]);
}

/** Programs that draw on the whole screen, and what isolated sessions are made with; with the package of each. */
const PROGRAM_PACKAGES = { vim: "vim", tmux: "tmux", top: "procps", bwrap: "bubblewrap" };

/** What the tests start; a fuller program of the same name does as well. */
async function makePrograms(): Promise<void> {
  const missing = Object.entries(PROGRAM_PACKAGES).filter(([program]) => Bun.which(program) === null);
  if (missing.length === 0) return;
  await must("Reading the lists of Debian packages", ["apt-get", "update", "-q"]);
  await must("Installing programs that the tests start", [
    ...["apt-get", "install", "-y", "-q", "--no-install-recommends"],
    ...missing.map(([, name]) => name),
  ]);
}

/** The runner's own numbers, in a line that any CI reads. */
async function closingLine(): Promise<string> {
  const [, attributes = ""] =
    /<testsuites([^>]*)>/.exec(
      await Bun.file(REPORT)
        .text()
        .catch(() => ""),
    ) ?? [];
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0);
  const [failed, skipped] = [count("failures") + count("errors"), count("skipped")];
  return `${count("tests") - failed - skipped} passed, ${failed} failed, ${skipped} skipped`;
}

const selected = process.argv.slice(2);
await must("Setting up the product's own Python", ["bin/sanderling", "setup"]);
await must("Setting up the kernel of Go", ["bin/sanderling", "setup", "go"]);
await makeClientPython();
await makeDesktop();
await makePrograms();
if (selected.length === 0) {
  await must("Checking the format", [join(BIN, "prettier"), "--check", "--log-level=warn", "."]);
  await must("Checking the types", [process.execPath, join(BIN, "tsc"), "--noEmit"]);
  await must("Checking the types of the console", [
    process.execPath,
    join(BIN, "tsc"),
    "--noEmit",
    "-p",
    "console",
  ]);
  await must("Checking the generated documents", [process.execPath, "scripts/docs.ts", "--check"]);
  await must("Checking the style", ["node", join(BIN, "eslint"), "."]);
}
say("Running the tests");
const passed = await run([
  process.execPath,
  "test",
  // A file a process, as many at once as there are processors: one file's leftovers are not another's.
  "--parallel",
  // A machine that is busy is slow, not wrong; whoever hangs is told by this.
  "--timeout=60000",
  "--reporter=junit",
  `--reporter-outfile=${REPORT}`,
  ...selected,
]);
process.stdout.write(`${await closingLine()}\n`);
process.exit(passed ? 0 : 1);
