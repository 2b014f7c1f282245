// Loader hooks for Node versions without module.registerHooks: the program's own URL has its source in memory.
let program;

export function initialize(data) {
  program = data;
}

export function resolve(specifier, context, next) {
  if (specifier !== program.url) return next(specifier, context);
  return { url: program.url, format: "module", shortCircuit: true };
}

export function load(url, context, next) {
  if (url !== program.url) return next(url, context);
  return { format: "module", source: program.source, shortCircuit: true };
}
