import { ExecdRefusal } from "./errors.ts";

/**
 * Puts the sandbox's variables in the place of `$NAME` and `${NAME}`, and its home directory in that of a leading
 * `~` (contracts/opensandbox-execd.md, 1.7). A `$` before anything else is a character like any other.
 * @throws ExecdRefusal 400 that names every variable that is not set.
 */
export function expandPath(path: string, variables: Readonly<Record<string, string>>): string {
  const undefinedNames = new Set<string>();
  const expanded = path.replace(
    /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g,
    (text: string, braced?: string, plain?: string) => {
      const name = braced ?? plain ?? "";
      const value = variables[name];
      if (value === undefined) undefinedNames.add(name);
      return value ?? text;
    },
  );
  if (undefinedNames.size > 0) {
    const names = [...undefinedNames].sort().join(",");
    throw new ExecdRefusal(
      400,
      "INVALID_REQUEST_BODY",
      `path references undefined environment variables: ${names}`,
    );
  }
  const home = variables["HOME"] ?? "/";
  return /^~(?:\/|$)/.test(expanded) ? home + expanded.slice(1) : expanded;
}
