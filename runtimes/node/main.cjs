// Runs a JavaScript program as if it were a file in the working directory, without putting one there:
// `require` and `import` resolve from the working directory, and stack traces name that file.
// Usage: node main.cjs FILE SHOWN_NAME, or node main.cjs --wait, which reads FILE, SHOWN_NAME, a working directory
// and changes to the environment from descriptor 3 when the program is known.
"use strict";
const { closeSync, readFileSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const vm = require("node:vm");

const PARAMETERS = ["exports", "require", "module", "__filename", "__dirname"];
// What V8 says of code that is fine as an ECMAScript module (the list Node itself goes by).
const MODULE_SYNTAX = [
  "Cannot use import statement outside a module",
  "Unexpected token 'export'",
  "Cannot use 'import.meta' outside a module",
];

const [node, , file, name] = process.argv[2] === "--wait" ? waitForJob() : process.argv;
const filename = path.join(process.cwd(), name);
const source = readFileSync(file, "utf8").replace(/^#!/, "//");
process.argv.splice(0, process.argv.length, node, filename);

const problem = syntaxError(source);
if (problem === undefined) runCommonJs(source);
else if (MODULE_SYNTAX.some((text) => problem.message.includes(text))) runModule();
else if (/\bawait\b/.test(source) && syntaxError(asyncBody(source)) === undefined)
  runCommonJs(asyncBody(source));
else runCommonJs(source);

// The process does nothing else meanwhile. An empty job: nobody needs it any more.
function waitForJob() {
  const job = readFileSync(3, "utf8");
  closeSync(3);
  if (job === "") process.exit();
  const [file, name, cwd, removed, ...variables] = job.split("\0");
  const changed = variables.splice(Number(removed));
  for (const variable of variables) delete process.env[variable];
  for (const variable of changed) {
    const at = variable.indexOf("=");
    process.env[variable.slice(0, at)] = variable.slice(at + 1);
  }
  process.chdir(cwd);
  return [process.argv[0], process.argv[1], file, name];
}

function syntaxError(text) {
  try {
    vm.compileFunction(text, PARAMETERS, { filename });
    return undefined;
  } catch (error) {
    return error;
  }
}

// Top-level await beside `require`, which a module would not have. On one line, so that lines keep their numbers.
function asyncBody(text) {
  return `module.exports = (async () => {${text}\n})();`;
}

function runCommonJs(text) {
  const main = new Module(".", null);
  main.filename = filename;
  main.paths = Module._nodeModulePaths(process.cwd());
  process.mainModule = main;
  Module._cache[filename] = main;
  // Called by Node rather than from here, so that no frame of this file is in the program's stack traces.
  process.nextTick(Module.prototype._compile.bind(main), text, filename);
  process.nextTick(() => {
    main.loaded = true;
    if (text !== source) warnUnlessSettled(main.exports);
  });
}

function runModule() {
  const url = pathToFileURL(filename).href;
  // Programs written by models mix both worlds; what CommonJS offers is there too, behind the module's own names.
  globalThis.require = Module.createRequire(filename);
  globalThis.__filename = filename;
  globalThis.__dirname = path.dirname(filename);
  if (Module.registerHooks) {
    Module.registerHooks({
      resolve: (specifier, context, next) =>
        specifier === url ? { url, format: "module", shortCircuit: true } : next(specifier, context),
      load: (target, context, next) =>
        target === url ? { format: "module", source, shortCircuit: true } : next(target, context),
    });
  } else {
    const hooks = pathToFileURL(path.join(__dirname, "hooks.mjs"));
    Module.register(hooks, { data: { url, source } });
  }
  warnUnlessSettled(import(url));
}

// A rejection is passed on to Node, which prints it as it prints any uncaught error.
function warnUnlessSettled(promise) {
  let settled = false;
  promise.then(
    () => (settled = true),
    (error) => {
      settled = true;
      throw error;
    },
  );
  process.on("exit", (code) => {
    if (settled || code !== 0) return;
    process.stderr.write(`Warning: Detected unsettled top-level await in ${filename}\n`);
    process.exitCode = 13;
  });
}
