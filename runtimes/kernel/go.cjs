// A Jupyter kernel for Go: speaks the protocol for the interpreter of go/main.go, a process of its own.
"use strict";
const { spawn } = require("node:child_process");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { createInterface } = require("node:readline");
const { serve, UserError } = require("./jupyter.cjs");
const { openStdin } = require("./stdin.cjs");

const [connectionFile, program] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "sanderling-go-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

const interpreter = spawn(program, [], { stdio: ["ignore", "inherit", "inherit", "pipe", "pipe"] });
interpreter.on("exit", (code, signal) => {
  if (signal) process.kill(process.pid, signal);
  else process.exit(code);
});
const [, , , requests, answers] = interpreter.stdio;
// Its end is told by its exit.
requests.on("error", () => undefined);

let settle;
let count = 0;
createInterface({ input: answers }).on("line", (line) => settle?.(JSON.parse(line)));

function send(request) {
  requests.write(`${JSON.stringify(request)}\n`);
}

void serve(connectionFile, {
  info: { language_info: { name: "go", version: "1", mimetype: "text/x-go", file_extension: ".go" } },
  async execute(code, { allowStdin, ask }) {
    const stdin = allowStdin ? join(directory, `stdin-${++count}`) : "/dev/null";
    const close = allowStdin
      ? openStdin({ path: stdin, root: interpreter.pid, ask: () => ask() })
      : () => undefined;
    const { text, ename, evalue, traceback } = await new Promise((resolve) => {
      settle = resolve;
      send({ code, stdin });
    });
    settle = undefined;
    close();
    if (ename !== undefined) throw new UserError(ename, evalue ?? "", traceback ?? []);
    return text === undefined ? undefined : { "text/plain": text };
  },
  interrupt: () => send({ interrupt: true }),
  shutdown: () => process.kill(process.pid, "SIGTERM"),
});
