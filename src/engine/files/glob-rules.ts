/** One line of a .gitignore, or one glob of a search, made ready to match. */
interface Rule {
  readonly glob: Bun.Glob;
  readonly isNegated: boolean;
  readonly onlyDirectories: boolean;
}

/**
 * Globs with the meaning they have in a .gitignore: without a slash they match at every depth, with one they are
 * anchored, a slash at the end means directories, `!` takes back, and the last that matches decides.
 */
export class GlobRules {
  readonly #rules: readonly Rule[];

  constructor(lines: readonly string[]) {
    this.#rules = lines.flatMap(parse);
  }

  /**
   * Whether the last glob that matches names a path (true) or takes it back (false); undefined when none does.
   * @param path Relative to where the globs are anchored.
   */
  matches(path: string, isDirectory: boolean): boolean | undefined {
    const rule = this.#rules.findLast(
      ({ glob, onlyDirectories }) => (isDirectory || !onlyDirectories) && glob.match(path),
    );
    return rule && !rule.isNegated;
  }
}

function parse(line: string): Rule[] {
  const text = line.replace(/\r$/, "").replace(/(?<!\\)\s+$/, "");
  if (text === "" || text.startsWith("#")) return [];
  const isNegated = text.startsWith("!");
  const body = isNegated ? text.slice(1) : text;
  const onlyDirectories = body.endsWith("/");
  const glob = body.replace(/\/$/, "");
  const isAnchored = glob.includes("/");
  const anchored = glob.replace(/^\//, "");
  return [{ glob: new Bun.Glob(isAnchored ? anchored : `**/${anchored}`), isNegated, onlyDirectories }];
}
