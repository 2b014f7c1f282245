// A Jupyter kernel in Node.js. The main thread has the user's code, evaluated in V8's REPL mode: it knows top-level
// await and lets const and let be declared again. The protocol lives in a second thread, which answers while the
// code computes and can stop it, whatever it catches.
"use strict";
const inspector = require("node:inspector");
const { createRequire } = require("node:module");
const { join } = require("node:path");
const { Readable } = require("node:stream");
const util = require("node:util");
const vm = require("node:vm");
const { family } = require("./family.cjs");
const {
  isMainThread,
  MessageChannel,
  receiveMessageOnPort,
  Worker,
  workerData,
} = require("node:worker_threads");

/** Under it the evaluated code's values are handed to this file; no name that a program would use. */
const HOLD = Symbol.for("sanderling.kernel");
/** What a dynamic import is called in translated cells: V8 has no import() for evaluated code. */
const IMPORT = "__sanderling_import__";
/** A main thread that only waits, for a timer or a server, answers sooner. */
const ANSWER_MS = 100;

if (isMainThread) offer(process.argv[2]);
else void listen(workerData);

/** The main thread: globals for the cells, and the evaluation of each that comes over the port. */
function offer(connectionFile) {
  const { port1: port, port2 } = new MessageChannel();
  const wake = new Int32Array(new SharedArrayBuffer(4));
  const here = join(process.cwd(), "main.js");
  process.argv.splice(1, 2, here);
  silenceOurWarning();
  const module = { exports: {}, filename: here };
  const globals = {
    require: createRequire(here),
    module,
    exports: module.exports,
    __filename: here,
    __dirname: process.cwd(),
    [IMPORT]: importFrom(here),
    display: (value) => port.postMessage({ display: bundleOf(value) }),
    prompt: (text = "") => {
      Atomics.store(wake, 0, 0);
      port.postMessage({ ask: String(text), isWaiting: true });
      Atomics.wait(wake, 0, 0);
      return receiveMessageOnPort(port)?.message.line ?? null;
    },
  };
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  // What has been printed is out when a cell ends, and when the process does.
  for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true);
  const giveLine = replaceStdin(() => port.postMessage({ ask: "" }));
  const evaluate = evaluator();
  port.on("message", (message) => {
    if ("code" in message)
      void evaluate(message.code).then((answer) => port.postMessage({ ...answer, id: message.id }));
    else if ("ping" in message) port.postMessage({ pong: message.ping });
    else giveLine(message.line);
  });
  // An interrupt comes to the second thread; a stray signal must not end the kernel.
  process.on("SIGINT", () => undefined);
  for (const event of ["uncaughtException", "unhandledRejection"])
    process.on(event, (error) => console.error(explain(error).traceback.join("\n")));
  const worker = new Worker(__filename, {
    workerData: { connectionFile, port: port2, wake },
    transferList: [port2],
  });
  worker.on("error", (error) => {
    console.error(error);
    process.exit(70);
  });
}

/** Evaluates cells; gives `{ value }`, a bundle, or `{ failure }`. */
function evaluator() {
  const session = new inspector.Session();
  session.connect();
  const call = (method, parameters) =>
    new Promise((resolve, reject) =>
      session.post(method, parameters, (error, result) =>
        error ? reject(new Error(error.message)) : resolve(result),
      ),
    );
  let held;
  let holder;
  Object.defineProperty(globalThis, HOLD, { value: { hold: (value) => void (held = value) } });
  let count = 0;

  /** The value that the inspector tells of. */
  const valueOf = async ({ objectId, value, unserializableValue }) => {
    holder ??= (await call("Runtime.evaluate", { expression: `globalThis[Symbol.for("sanderling.kernel")]` }))
      .result;
    const argument = objectId ? { objectId } : unserializableValue ? { unserializableValue } : { value };
    const functionDeclaration = "function (value) { this.hold(value); }";
    await call("Runtime.callFunctionOn", {
      objectId: holder.objectId,
      functionDeclaration,
      arguments: [argument],
    });
    if (objectId) await call("Runtime.releaseObject", { objectId });
    const value_ = { it: held };
    held = undefined;
    return value_;
  };

  const evaluate = (code, name) =>
    call("Runtime.evaluate", {
      expression: `${code}\n//# sourceURL=${name}`,
      replMode: true,
      awaitPromise: true,
    });

  return async (code) => {
    const name = `cell-${++count}.js`;
    try {
      // An object literal would be a block where a statement may stand.
      const isObject = /^\s*\{/.test(code) && !/;\s*$/.test(code);
      let answer = isObject ? await evaluate(`(${code}\n)`, name) : undefined;
      if (answer === undefined || isSyntaxError(answer)) answer = await evaluate(code, name);
      const { result, exceptionDetails } = answer;
      const { it } = await valueOf(exceptionDetails?.exception ?? result);
      if (exceptionDetails) return { failure: located(explain(it), exceptionDetails, name, code) };
      const value = util.types.isPromise(it) ? await it : it;
      return value === undefined ? {} : { value: bundleOf(value) };
    } catch (error) {
      return { failure: explain(error) };
    }
  };
}

function isSyntaxError({ exceptionDetails }) {
  return exceptionDetails?.exception?.className === "SyntaxError";
}

/** What does not parse has no frame that would say where. */
function located(failure, { lineNumber, columnNumber }, name, code) {
  if (failure.ename !== "SyntaxError" || failure.traceback.length > 1) return failure;
  const quoted = code.split("\n")[lineNumber] ?? "";
  const place = `${name}:${lineNumber + 1}\n${quoted}\n${" ".repeat(columnNumber)}^\n`;
  return { ...failure, traceback: [place, ...failure.traceback] };
}

/** import() as if it stood in a file of the working directory. */
function importFrom(filename) {
  const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const source = "(specifier, options) => import(specifier, options)";
  return new vm.Script(source, { filename, importModuleDynamically }).runInThisContext();
}

/** The loader above is "experimental" in Node 20; the user can do nothing about it. */
function silenceOurWarning() {
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).includes("USE_MAIN_CONTEXT_DEFAULT_LOADER"))
      emitWarning.call(process, warning, ...rest);
  };
}

/** A program's stdin, which asks for a line when it is read. */
function replaceStdin(ask) {
  let stdin;
  const open = () => {
    const opened = new Readable({ read: ask, autoDestroy: true });
    return Object.assign(opened, { fd: 0, isTTY: false });
  };
  // After its end a later cell may be given input again.
  const get = () =>
    stdin === undefined || stdin.readableEnded || stdin.destroyed ? (stdin = open()) : stdin;
  Object.defineProperty(process, "stdin", { get, configurable: true });
  return (line) => stdin?.push(line === undefined ? null : `${line}\n`);
}

function bundleOf(value) {
  const text = util.inspect(value, { maxArrayLength: 200, maxStringLength: 1 << 20 });
  const shows = value?.[Symbol.for("Jupyter.display")];
  const own = typeof shows === "function" ? JSON.parse(JSON.stringify(shows.call(value))) : {};
  return { "text/plain": text, ...own };
}

/** An error without the frames that are none of the user's. */
function explain(error) {
  if (!util.types.isNativeError(error) && !(error instanceof Error)) {
    const text = util.inspect(error);
    return { ename: "Uncaught", evalue: text, traceback: [`Uncaught ${text}`] };
  }
  const isOurs = (line) =>
    /^\s+at /.test(line) && (line.includes("node:inspector") || line.includes(__filename));
  const whole = String(error.stack ?? `${error.name}: ${error.message}`).split("\n");
  const stack = whole.slice(0, whole.findIndex(isOurs) >>> 0);
  const cause =
    error.cause === undefined ? [] : explain(error.cause).traceback.map((line) => `  [cause]: ${line}`);
  const traceback = [...stack.filter((line) => !/^\s+at .*node:internal/.test(line)), ...cause];
  return { ename: String(error.name), evalue: String(error.message), traceback };
}

/** The second thread: speaks the protocol. */
async function listen({ connectionFile, port, wake }) {
  const { serve, UserError } = require("./jupyter.cjs");
  const session = new inspector.Session();
  session.connectToMainThread();
  let count = 0;
  let cell;
  let pong = () => undefined;

  port.on("message", async (message) => {
    if ("ask" in message) {
      const line = await cell?.about.ask(message.ask);
      port.postMessage({ line });
      if (!message.isWaiting) return;
      Atomics.store(wake, 0, 1);
      Atomics.notify(wake, 0);
    } else if ("display" in message) cell?.about.display(message.display);
    else if ("pong" in message) pong();
    else if (message.id === cell?.id) cell.settle(message);
  });

  /** Whether the main thread only waits. */
  const isFree = () =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ANSWER_MS, false);
      pong = () => (clearTimeout(timer), resolve(true));
      port.postMessage({ ping: true });
    });

  await serve(connectionFile, {
    info: {
      language_info: {
        name: "javascript",
        version: process.versions.node,
        mimetype: "text/javascript",
        file_extension: ".js",
      },
    },
    async execute(code, about) {
      const id = ++count;
      const answered = new Promise((settle) => (cell = { id, about, settle }));
      port.postMessage({ code, id });
      const { value, failure } = await answered;
      // The evaluation may have told of its end by force first.
      const isInterrupted = cell.isInterrupted;
      cell = undefined;
      if (isInterrupted) throw new UserError("Interrupted", "interrupted", ["Interrupted"]);
      if (failure) throw new UserError(failure.ename, failure.evalue, failure.traceback);
      return value;
    },
    /** What waits is left behind; what computes is ended, with the programs it waits for. */
    async interrupt() {
      const stopped = cell;
      if (stopped === undefined) return;
      stopped.isInterrupted = true;
      if (!(await isFree())) interruptChildren();
      if (!(await isFree())) session.post("Runtime.terminateExecution", () => undefined);
      // The request may end the wrong thing: what answers a first question. Then the second is answered.
      while (!(await isFree()));
      stopped.settle({});
    },
    shutdown: () => process.kill(process.pid, "SIGTERM"),
  });
}

/** What the main thread waits for, for example in execSync. */
function interruptChildren() {
  for (const pid of family(process.pid).slice(1)) {
    try {
      process.kill(pid, "SIGINT");
    } catch {
      // It has ended by itself in this moment.
    }
  }
}
