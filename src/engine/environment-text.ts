import type { Environment } from "./environment.ts";

/**
 * One entry at a time: a name, `=`, and a value that is single-quoted (as it stands), double-quoted (with escapes
 * and variables), both over any number of lines, or plain to the end of the line (with variables).
 */
const ENTRY = /^[ \t]*([^\s=#][^=\n]*)=(?:'([^']*)'[ \t]*$|"((?:[^"\\]|\\[^])*)"[ \t]*$|(.*)$)/gm;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

/**
 * Reads `NAME=value` lines; empty lines, comments and lines of another form are passed over
 * (contracts/opensandbox-execd.md, 15.1). A later entry wins over an earlier one.
 * @param environment Where `$NAME` and `${NAME}` are looked up; what is not there counts as empty.
 */
export function parseEnvironment(text: string, environment: Environment): Environment {
  const result: Record<string, string> = {};
  for (const [, name = "", single, double, plain] of text.matchAll(ENTRY)) {
    if (name.includes("\0")) continue;
    const value =
      single ??
      (double === undefined ? expand((plain ?? "").trim(), environment) : unescape(double, environment));
    if (!value.includes("\0")) result[name] = value;
  }
  return result;
}

function expand(value: string, environment: Environment): string {
  return value.replace(
    /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g,
    (_, braced?: string, plain?: string) => environment[braced ?? plain ?? ""] ?? "",
  );
}

/** Escapes and variables in one pass, so that what an escape gives is not looked at again. */
function unescape(value: string, environment: Environment): string {
  return value.replace(/\\([^])|\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*)/g, (found, escaped?: string) =>
    escaped === undefined ? expand(found, environment) : (ESCAPES[escaped] ?? escaped),
  );
}
