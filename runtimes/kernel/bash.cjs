// A Jupyter kernel around a real bash, which reads one line a cell: interactive, because only such a shell gives up
// all of what it is doing at an interrupt and lives on. Cells print to the shell's own stdout and stderr.
"use strict";
const { spawn } = require("node:child_process");
const { join } = require("node:path");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { serve, UserError } = require("./jupyter.cjs");
const { openStdin } = require("./stdin.cjs");

const SIGINT_STATUS = 130;

const [connectionFile, program, version] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "sanderling-bash-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

const shell = spawn(program, ["--norc", "--noprofile", "--noediting", "+m", "-i"], {
  // What an interactive shell says of the missing terminal is nobody's output; the first line brings stderr back.
  stdio: ["pipe", "inherit", "ignore", "pipe", 2],
  env: { ...process.env, PS1: "", PS2: "", HISTFILE: "/dev/null" },
  detached: true,
});
shell.on("exit", (code, signal) => {
  if (signal) process.kill(process.pid, signal);
  else process.exit(code);
});
// The shell's end is told by its exit.
shell.stdin.on("error", () => undefined);

let cell;
let count = 0;
let pending = "";
shell.stdio[3].on("data", (data) => {
  pending += data;
  for (let end = pending.indexOf("\n"); end >= 0; end = pending.indexOf("\n")) {
    const [id, status] = pending.slice(0, end).split(" ").map(Number);
    pending = pending.slice(end + 1);
    if (id === cell?.id) cell.settle(status);
  }
});

// No history expansion (a "!" is none of a script's), nothing before or after a cell, no way to the terminal.
shell.stdin.write("exec 2>&4 4>&-; set +H +o history; shopt -u checkwinsize; unset PS2\n");

/** Text as one word on one line, whatever is in it (bash(1), "Quoting"). */
function quoted(text) {
  return `$'${text.replace(/[\\']/g, "\\$&").replaceAll("\n", "\\n")}'`;
}

function tellStatus(id) {
  // `(exit n)` hands the status to the next cell's $?.
  return `__sanderling_status=$?; printf '%d %d\\n' ${id} "$__sanderling_status" >&3; PS1= PS2= PROMPT_COMMAND=; (exit "$__sanderling_status")\n`;
}

async function run(code, { allowStdin, ask }) {
  if (code.includes("\0"))
    throw new UserError("SyntaxError", "a script has no NUL bytes", ["NUL byte in the code"]);
  const id = ++count;
  const input = allowStdin ? join(directory, `stdin-${id}`) : "/dev/null";
  const close = allowStdin ? openStdin({ path: input, root: shell.pid, ask: () => ask() }) : () => undefined;
  const status = await new Promise((settle) => {
    cell = { id, settle };
    shell.stdin.write(`eval ${quoted(code)} 3>&- <${quoted(input)}; ${tellStatus(id)}`);
  });
  cell = undefined;
  close();
  return status;
}

void serve(connectionFile, {
  info: {
    language_info: { name: "bash", version, mimetype: "text/x-sh", file_extension: ".sh" },
  },
  async execute(code, about) {
    const status = await run(code, about);
    if (status === 0) return undefined;
    const evalue = String(status);
    throw new UserError(status === SIGINT_STATUS ? "Interrupted" : "ExitStatus", evalue, [
      `exit status ${evalue}`,
    ]);
  },
  /** The shell and what it runs, as a terminal would; what it was told to do after that is forgotten. */
  interrupt() {
    if (cell === undefined) return;
    process.kill(-shell.pid, "SIGINT");
    shell.stdin.write(tellStatus(cell.id));
  },
  shutdown: () => process.kill(process.pid, "SIGTERM"),
});
