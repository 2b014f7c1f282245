// Runs a JavaScript program as if it were a file in the working directory, without putting one there:
// `require` and `import` resolve from the working directory, and stack traces name that file.
// Usage: node main.cjs FILE SHOWN_NAME
"use strict";
const { readFileSync } = require("node:fs");
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

const [node, , file, name] = process.argv;
const filename = path.join(process.cwd(), name);
const source = readFileSync(file, "utf8").replace(/^#!/, "//");
process.argv.splice(0, 4, node, filename);

const problem = syntaxError(source);
if (problem === undefined) runCommonJs(source);
else if (MODULE_SYNTAX.some((text) => problem.message.includes(text))) runModule();
else if (/\bawait\b/.test(source) && syntaxError(asyncBody(source)) === undefined)
  runCommonJs(asyncBody(source));
else runCommonJs(source);

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
