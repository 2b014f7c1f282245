import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";

const ROOT = join(import.meta.dir, "..");
const SRC = join(ROOT, "src");

interface Import {
  /** As it is written: a path relative to src, or the name of a package. */
  readonly target: string;
  readonly isType: boolean;
  readonly isLocal: boolean;
}

interface Source {
  /** Relative to src. */
  readonly path: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

const SOURCES: readonly Source[] = [...new Glob("**/*.ts").scanSync(SRC)]
  .filter((path) => !path.endsWith(".d.ts"))
  .toSorted()
  .map((path) => parse(path, readFileSync(join(SRC, path), "utf8")));

function parse(path: string, text: string): Source {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS);
  const imports: Import[] = [];
  const add = (specifier: ts.Node, isType: boolean) => {
    // A path that is computed cannot be checked, and nothing here needs one.
    if (!ts.isStringLiteralLike(specifier))
      throw new Error(`${at(tree, specifier)}: imports a computed path`);
    const isLocal = specifier.text.startsWith(".");
    const target = isLocal ? relative(SRC, join(SRC, dirname(path), specifier.text)) : specifier.text;
    imports.push({ target, isType, isLocal });
  };
  for (const node of everyNode(tree)) {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node.importClause));
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (isCallOf(node, "import") || isCallOf(node, "require"))
      node.arguments.slice(0, 1).forEach((path) => add(path, false));
  }
  return { path, tree, imports };
}

/** `import type { A }` as well as `import { type A }`, which both leave nothing to load. */
function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name || names === undefined || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every((element) => element.isTypeOnly);
}

function isCallOf(node: ts.Node, name: string): node is ts.CallExpression {
  if (!ts.isCallExpression(node)) return false;
  if (name === "import") return node.expression.kind === ts.SyntaxKind.ImportKeyword;
  return ts.isIdentifier(node.expression) && node.expression.text === name;
}

function* everyNode(node: ts.Node): Generator<ts.Node> {
  yield node;
  for (const child of node.getChildren()) if (!ts.isJSDoc(child)) yield* everyNode(child);
}

/** For example `src/daemon.ts:12`. */
function at(tree: ts.SourceFile, node: ts.Node): string {
  return `src/${tree.fileName}:${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}

/** The folder, protocol or file at the top of src that a path belongs to; "outside" for what is not in src. */
function partOf(path: string): string {
  if (path.startsWith("..")) return "outside";
  const [first = "", second = ""] = path.split("/");
  if (first === "protocols") return `protocols/${second}`;
  return first.replace(/\.ts$/, "");
}

/**
 * What each part may import besides itself; "protocols" stands for each protocol, "outside" for the files that
 * travel inside the executable. Arrows point downwards only: commands, daemon, protocols, then engine and HTTP,
 * which do not know each other.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ["cli", "daemon", "setup", "config", "credentials", "engine", "log", "version", "lib"],
  cli: ["daemon", "setup", "config", "credentials", "engine", "log", "version", "lib"],
  daemon: ["protocols", "observability", "credentials", "config", "engine", "http", "log", "version", "lib"],
  setup: ["config", "engine", "lib", "outside"],
  credentials: ["config", "lib"],
  // Outside: the scripts of pages that are served as they are.
  protocols: ["engine", "http", "lib", "outside"],
  observability: ["engine", "http", "lib"],
  engine: ["lib", "outside"],
  http: ["lib"],
  // Types only: some settings take the engine's own words.
  config: ["engine", "lib"],
  log: ["lib"],
  version: ["outside"],
  lib: [],
};

/** Packages that only these parts may use; what is not listed may be used anywhere. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  hono: ["http", "protocols"],
  "hono/cors": ["http"],
  jose: ["http"],
  zod: ["http", "protocols"],
  "@asteasolutions/zod-to-openapi": ["http"],
  commander: ["main", "cli"],
  pino: ["log"],
  "pino-pretty": ["log"],
  "prom-client": ["observability"],
  "@opentelemetry/api": ["observability"],
  "@opentelemetry/resources": ["observability"],
  "@opentelemetry/sdk-trace": ["observability"],
  "@opentelemetry/sdk-metrics": ["observability"],
  "@opentelemetry/otlp-exporter-base": ["observability"],
  "@opentelemetry/exporter-trace-otlp-proto": ["observability"],
  "@opentelemetry/exporter-metrics-otlp-proto": ["observability"],
};

describe("imports", () => {
  test("are found in every form", () => {
    const text = `import a from "./a.ts"; import type { B } from "./b.ts"; import { type C } from "../c.ts";
      export { d } from "./d.ts"; export type { E } from "./e.ts"; const f = () => import("./f.ts");
      type G = import("./g.ts").G; import "./h.ts"; import { type I, i } from "hono"; // import "./no.ts"`;
    const found = parse("http/x.ts", text).imports.map(
      ({ target, isType }) => `${isType ? "type " : ""}${target}`,
    );
    expect(found.toSorted()).toEqual([
      "hono",
      "http/a.ts",
      "http/d.ts",
      "http/f.ts",
      "http/h.ts",
      "type c.ts",
      "type http/b.ts",
      "type http/e.ts",
      "type http/g.ts",
    ]);
    expect(SOURCES.length).toBeGreaterThan(50);
  });

  test("all lead to files that exist, and every part has its rule", () => {
    const lost = SOURCES.flatMap(({ path, imports }) =>
      imports
        .filter(({ target, isLocal }) => isLocal && !existsSync(join(SRC, target)))
        .map(({ target }) => `src/${path} imports ${target}, which is not there`),
    );
    const parts = new Set(SOURCES.map(({ path }) => layerOf(partOf(path))));
    const ruleless = [...parts]
      .filter((part) => !(part in MAY_IMPORT))
      .map((part) => `src/${part} has no rule here`);
    expect([...lost, ...ruleless]).toEqual([]);
  });

  test("point downwards only", () => {
    const wrong = SOURCES.flatMap(({ path, imports }) => {
      const from = partOf(path);
      return imports
        .filter(({ target, isLocal }) => isLocal && !mayImport(from, partOf(target)))
        .map(({ target }) => `src/${path} imports ${target}: ${from} may not know ${partOf(target)}`);
    });
    expect(wrong).toEqual([]);
  });

  test("of a package happen only where its subject is", () => {
    const wrong = SOURCES.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => PACKAGES[target]?.includes(layerOf(partOf(path))) === false)
        .map(
          ({ target }) =>
            `src/${path} imports ${target}, which only ${PACKAGES[target]?.join(" and ")} may use`,
        ),
    );
    expect(wrong).toEqual([]);
  });

  test("of values have no cycles", () => {
    expect(cycles(SOURCES).map((cycle) => `src/${cycle.join(" -> src/")}`)).toEqual([]);
    const ring = [
      parse("a.ts", 'import { b } from "./b.ts";'),
      parse("b.ts", 'const c = await import("./c.ts");'),
      parse("c.ts", 'import { a } from "./a.ts"; import type { B } from "./b.ts";'),
    ];
    expect(cycles(ring)).toEqual([["a.ts", "b.ts", "c.ts", "a.ts"]]);
  });
});

function layerOf(part: string): string {
  return part.startsWith("protocols/") ? "protocols" : part;
}

function mayImport(from: string, to: string): boolean {
  return (
    from === to ||
    (MAY_IMPORT[layerOf(from)]?.includes(layerOf(to)) === true && layerOf(from) !== layerOf(to))
  );
}

/** One cycle for each file through which the search comes back to where it is. */
function cycles(sources: readonly Source[]): string[][] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const found: string[][] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path]);
    if (trail.includes(path) || done.has(path)) return;
    for (const { target, isType } of byPath.get(path)?.imports ?? []) {
      if (!isType && byPath.has(target)) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of byPath.keys()) visit(path, []);
  return found;
}

interface Door {
  readonly what: string;
  /** Members of globals, for example `Bun.spawn`; a star means the global itself. */
  readonly members: readonly string[];
  /** Modules that offer the same. */
  readonly modules: readonly string[];
  readonly open: (path: string) => boolean;
}

const DOORS: readonly Door[] = [
  {
    what: "starts processes",
    members: ["Bun.spawn", "Bun.spawnSync", "Bun.$"],
    modules: ["child_process", "node:child_process"],
    open: (path) => ["engine/process/spawn.ts", "setup/tool.ts"].includes(path),
  },
  {
    what: "reads the environment",
    members: ["process.env", "Bun.env"],
    modules: [],
    open: (path) => path.startsWith("config/"),
  },
  {
    what: "writes to the terminal",
    members: ["process.stdout", "process.stderr", "Bun.stdout", "Bun.stderr", "console.*"],
    modules: ["console", "node:console"],
    open: (path) => ["log.ts", "cli/output.ts"].includes(path),
  },
];

describe("single doors", () => {
  test.each(DOORS.map((door) => [door.what, door] as const))("only the one that %s does", (_, door) => {
    expect(SOURCES.flatMap((source) => (door.open(source.path) ? [] : usesOf(door, source)))).toEqual([]);
    // A door that nobody uses would mean that this check looks for the wrong thing.
    expect(SOURCES.some((source) => door.open(source.path) && usesOf(door, source).length > 0)).toBe(true);
  });

  test("their globals are not taken apart or imported, which would hide their use", () => {
    const hidden = SOURCES.flatMap(({ path, tree, imports }) => {
      const modules = imports.filter(({ target }) => ["bun", "process", "node:process"].includes(target));
      const values = [...everyNode(tree)].filter(isTakenApart);
      return [
        ...modules.map(({ target }) => `src/${path} imports ${target}: use the global instead`),
        ...values.map((node) => `${at(tree, node)} takes a global apart: name its member where it is used`),
      ];
    });
    expect(hidden).toEqual([]);
  });

  test.each([
    ["Bun.spawn(['a']);", 1],
    ["const { code } = Bun.spawnSync([]); Bun['spawn']([]);", 2],
    ["await Bun.$`a`; import { exec } from 'node:child_process';", 2],
    ["process.env.A; Bun.env['B']; import.meta.env.C;", 3],
    ["console.log(1); process.stdout.write(''); globalThis.console.warn(2);", 3],
    ["// console.log(1)\nconst text = 'process.env'; run.process.env; options.console;", 0],
  ])("%p has %d uses", (text, count) => {
    const source = parse("x.ts", text);
    expect(DOORS.flatMap((door) => usesOf(door, source))).toHaveLength(count);
  });
});

function usesOf(door: Door, { path, tree, imports }: Source): string[] {
  const nodes = [...everyNode(tree)].filter((node) => {
    const member = memberOf(node);
    return (
      member !== undefined &&
      (door.members.includes(member) || door.members.includes(member.replace(/\..*/, ".*")))
    );
  });
  const modules = imports.filter(({ target }) => door.modules.includes(target));
  return [
    ...nodes.map((node) => `${at(tree, node)} ${door.what} with ${memberOf(node) ?? ""}`),
    ...modules.map(({ target }) => `src/${path} ${door.what} with ${target}`),
  ];
}

/** The member of a global that an expression names, for example `Bun.spawn`, however it is written. */
function memberOf(node: ts.Node): string | undefined {
  if (!ts.isPropertyAccessExpression(node) && !ts.isElementAccessExpression(node)) return undefined;
  const name = ts.isPropertyAccessExpression(node) ? node.name.text : textOf(node.argumentExpression);
  const object = node.expression;
  if (ts.isMetaProperty(object)) return name === "env" ? "Bun.env" : undefined;
  const isGlobal = ts.isIdentifier(object) || memberOf(object)?.startsWith("globalThis.") === true;
  if (!isGlobal) return undefined;
  return `${ts.isIdentifier(object) ? object.text : (memberOf(object) ?? "").replace("globalThis.", "")}.${name}`;
}

function textOf(node: ts.Expression): string {
  return ts.isStringLiteralLike(node) ? node.text : "?";
}

/** `const { env } = process` and `const runtime = Bun`. */
function isTakenApart(node: ts.Node): boolean {
  if (!ts.isVariableDeclaration(node) || node.initializer === undefined) return false;
  const { initializer } = node;
  return (
    ts.isIdentifier(initializer) && ["Bun", "process", "console", "globalThis"].includes(initializer.text)
  );
}

/** Failures that a handler may answer by itself, each with its reason. */
const STATUS_EXCEPTIONS: Readonly<Record<string, string>> = {
  "protocols/hopx/run-request.ts 500":
    "the published status of code that failed, which is a result and no error",
};

describe("HTTP statuses of refusals", () => {
  test("are picked in one table for each protocol", () => {
    const wrong = SOURCES.filter(
      ({ path }) => /^(protocols|http)\//.test(path) && !path.endsWith("/errors.ts"),
    ).flatMap(({ path, tree }) =>
      statusesIn(tree)
        .filter(({ status }) => !(`${path} ${status}` in STATUS_EXCEPTIONS))
        .map(
          ({ node, status }) =>
            `${at(tree, node)} answers ${status}: throw, and let errors.ts pick the status`,
        ),
    );
    expect(wrong).toEqual([]);
  });

  test("have no exception that is not needed", () => {
    const used = SOURCES.flatMap(({ path, tree }) =>
      statusesIn(tree).map(({ status }) => `${path} ${status}`),
    );
    expect(Object.keys(STATUS_EXCEPTIONS).filter((exception) => !used.includes(exception))).toEqual([]);
  });
});

/** Objects that say `status: 404`; the rows of a `responses` table have the number as their name. */
function statusesIn(tree: ts.SourceFile): { node: ts.Node; status: number }[] {
  return [...everyNode(tree)].flatMap((node) => {
    if (!ts.isPropertyAssignment(node) || node.name.getText() !== "status") return [];
    return [...everyNode(node.initializer)]
      .filter((part) => ts.isNumericLiteral(part))
      .map((part) => ({ node, status: Number(part.text) }))
      .filter(({ status }) => status >= 400);
  });
}

test("the console imports nothing of the daemon", () => {
  const wrong = [...new Glob("console/**/*.{ts,tsx}").scanSync(ROOT)].flatMap((path) =>
    [...readFileSync(join(ROOT, path), "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)]
      .map(([, target = ""]) => relative(ROOT, join(ROOT, dirname(path), target)))
      .filter((target) => !target.startsWith("console/"))
      .map((target) => `${path} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

/** What would tie the product to the machine or the network that it was made on. */
const FOREIGN: readonly (readonly [string, RegExp])[] = [
  ["a path of one machine", /(?<![\w.~$}])\/(?:work|root|Users\/\w+)\//],
  [
    "the host of a package registry",
    /registry\.(npmjs|yarnpkg)\.\w+|(?<![\w-])npmjs\.(com|org)|(?<![\w-])pypi\.(org|python\.org)|pythonhosted\.org|proxy\.golang\.org|repo1?\.maven|crates\.io|jsr\.io/i,
  ],
];

test("no file of the product or its documents names a path of one machine or a package registry", () => {
  const files = new Glob("{src,docs,examples,runtimes,bin}/**/*").scanSync(ROOT);
  const readmes = new Glob("README*").scanSync(ROOT);
  const wrong = [...files, ...readmes].flatMap((path) =>
    readFileSync(join(ROOT, path), "utf8")
      .split("\n")
      .flatMap((line, index) =>
        FOREIGN.filter(([, pattern]) => pattern.test(line)).map(
          ([what]) => `${path}:${index + 1} names ${what}: ${line.trim()}`,
        ),
      ),
  );
  expect(wrong).toEqual([]);
  const [[, machine], [, registry]] = FOREIGN as [(typeof FOREIGN)[0], (typeof FOREIGN)[0]];
  expect(["cd /work/x", '"/root/.cache"', "/Users/me/x"].filter((text) => !machine.test(text))).toEqual([]);
  expect(
    ["/workspace/x", "src/root/x", "~/work/x", "$HOME/work/x", "/home/user/x"].filter((text) =>
      machine.test(text),
    ),
  ).toEqual([]);
  expect(registry.test("https://registry.npmjs.org/x") && registry.test("pypi.org/simple")).toBe(true);
});
