import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

/** Made by `scripts/test.ts`, with the ripgrep of test/requirements.txt. */
const CLIENTS = join(import.meta.dir, "../../../.sanderling/test-clients/bin");
const MACHINE = "/usr/local/bin:/usr/bin:/bin";

interface Found {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly line_truncated?: true;
  readonly before?: readonly string[];
  readonly after?: readonly string[];
}

const FILES: Readonly<Record<string, string | Uint8Array>> = {
  "src/one.ts": "alpha\nbeta needle one\ngamma\ndelta\nneedle at start\nlast\n",
  "src/two.py": "# nothing\nx = 'a needle'\r\nneedle without an end of line",
  "src/deep/three.ts": "Needle with a capital\n",
  "src/unicode.txt": "äöü 😀 needle\n",
  "src/invalid.txt": Buffer.from("6e6f20757466383a20fffe206e6565646c650a", "hex"),
  "binary.bin": Buffer.concat([Buffer.from("needle\n"), Buffer.from([0, 1, 2]), Buffer.from("needle\n")]),
  "late-binary.bin": Buffer.concat([Buffer.from("needle\n"), Buffer.alloc(200_000, "x\n"), Buffer.from([0])]),
  ".hidden/secret.txt": "hidden needle\n",
  "ignored/build.ts": "ignored needle\n",
  "logs/kept.log": "kept needle\n",
  "logs/other.log": "ignored needle\n",
  "vendor/lib.js": "vendored needle\n",
  ".gitignore": "ignored/\n*.log\n!kept.log\n",
  "src/.gitignore": "# a comment\n/private\n",
  "src/private/p.txt": "private needle\n",
  "src/deep/private/q.txt": "not so private needle\n",
  "long.txt": `${"é".repeat(5000)} faraway\nshort\n`,
  "empty.txt": "",
};

/** Only names, so that a machine's own ripgrep does not matter. */
const ENGINES: readonly (readonly [string, string])[] = [
  ["ripgrep", `${CLIENTS}:${MACHINE}`],
  ["builtin", MACHINE],
];

async function fill(root: string): Promise<void> {
  for (const [name, content] of Object.entries(FILES)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  const outside = join(dirname(root), "outside");
  await mkdir(outside, { recursive: true });
  await writeFile(join(outside, "other.txt"), "outside needle\n");
  await symlink(outside, join(root, "link-to-outside"));
  await symlink(join(outside, "other.txt"), join(root, "src/link.txt"));
}

for (const [engine, path] of ENGINES) {
  const isHere = engine === "builtin" ? Bun.which("rg", { PATH: MACHINE }) === null : true;
  describe.skipIf(!isHere)(`POST /files/search with ${engine}`, () => {
    let daemon: TestDaemon;
    beforeAll(async () => {
      daemon = await TestDaemon.start({ env: { PATH: path } });
      await fill(daemon.workspace);
      await Bun.$`mkfifo ${join(daemon.workspace, "src/fifo")}`;
    });
    afterAll(() => daemon[Symbol.asyncDispose]());

    const search = async (body: object) => {
      const answer = await daemon.post("/files/search", body);
      return { ...answer, matches: (answer.body["matches"] ?? []) as Found[] };
    };
    const paths = async (body: object) => {
      const { matches } = await search(body);
      return [...new Set(matches.map((match) => match.path.slice(daemon.workspace.length + 1)))];
    };
    /** Those that a plain search of everything visible finds. */
    const PLAIN = [
      "logs/kept.log",
      "src/deep/private/q.txt",
      "src/invalid.txt",
      "src/one.ts",
      "src/two.py",
      "src/unicode.txt",
      "vendor/lib.js",
    ];

    test("says which engine searched, where every match is and what its line says", async () => {
      const { status, body, matches } = await search({ pattern: "needle", path: "src/one.ts" });
      expect(status).toBe(200);
      const file = join(daemon.workspace, "src/one.ts");
      expect(body["engine"]).toBe(engine);
      expect(matches).toEqual([
        { path: file, line: 2, column: 6, text: "beta needle one" },
        { path: file, line: 5, column: 1, text: "needle at start" },
      ]);
      expect(body).toMatchObject({ truncated: false, files_searched: 1, count: 2 });
      expect(body).not.toHaveProperty("truncated_by");
    });

    test("finds neither in binary, hidden, ignored nor special files, nor through links", async () => {
      expect(await paths({ pattern: "needle" })).toEqual(PLAIN);
    });

    test("searches hidden and ignored files when asked to", async () => {
      expect(await paths({ pattern: "needle", hidden: true })).toEqual(
        [...PLAIN, ".hidden/secret.txt"].toSorted(),
      );
      expect(await paths({ pattern: "needle", ignored: true })).toEqual(
        [...PLAIN, "ignored/build.ts", "logs/other.log", "src/private/p.txt"].toSorted(),
      );
    });

    test("takes globs to include and to exclude", async () => {
      expect(await paths({ pattern: "needle", include: ["*.ts"] })).toEqual(["src/one.ts"]);
      expect(await paths({ pattern: "needle", include: "*.ts,*.js" })).toEqual([
        "src/one.ts",
        "vendor/lib.js",
      ]);
      expect(await paths({ pattern: "needle", include: ["src/*.{ts,py}"] })).toEqual([
        "src/one.ts",
        "src/two.py",
      ]);
      expect(await paths({ pattern: "needle", exclude: ["src", "*.js"] })).toEqual(["logs/kept.log"]);
      expect(await paths({ pattern: "needle", include: ["src/**"], exclude: ["*.py", "deep/"] })).toEqual([
        "src/invalid.txt",
        "src/one.ts",
        "src/private/p.txt",
        "src/unicode.txt",
      ]);
    });

    test("tells lines before and after, also where matches are close", async () => {
      const { matches } = await search({ pattern: "needle", path: "src/one.ts", context: 2 });
      expect(matches.map(({ before, after }) => [before, after])).toEqual([
        [["alpha"], ["gamma", "delta"]],
        [["gamma", "delta"], ["last"]],
      ]);
      const close = await search({ pattern: "ta|ne", regex: true, path: "src/one.ts", context: 1 });
      expect(close.matches.map(({ line, before, after }) => [line, before, after])).toEqual([
        [2, ["alpha"], ["gamma"]],
        [4, ["gamma"], ["needle at start"]],
        [5, ["delta"], ["last"]],
      ]);
    });

    test("takes the pattern literally or as a regular expression, in the case asked for", async () => {
      const lines = async (body: object) => (await search(body)).matches.map(({ text }) => text);
      expect(await lines({ pattern: "n..dle", path: "src/one.ts" })).toEqual([]);
      expect(await lines({ pattern: "^n[a-e]+dle\\b", regex: true, path: "src/one.ts" })).toEqual([
        "needle at start",
      ]);
      expect(await lines({ pattern: "a needle'$", regex: true })).toEqual(["x = 'a needle'"]);
      expect(await lines({ pattern: "needle w", case: "insensitive" })).toEqual([
        "Needle with a capital",
        "needle without an end of line",
      ]);
      expect(await lines({ pattern: "needle with", case: "smart" })).toHaveLength(2);
      expect(await lines({ pattern: "Needle with", case: "smart" })).toEqual(["Needle with a capital"]);
    });

    test("counts columns in characters and lines without trouble at invalid bytes", async () => {
      const { matches } = await search({
        pattern: "needle",
        path: "src",
        include: ["unicode.txt", "invalid.txt"],
      });
      expect(matches.map(({ column, text }) => [column, text])).toEqual([
        [13, "no utf8: \ufffd\ufffd needle"],
        [7, "äöü 😀 needle"],
      ]);
    });

    test("answers no more results, bytes of a line and bytes in all than asked for, and says so", async () => {
      const few = await search({ pattern: "needle", max_results: 3 });
      expect(few.matches).toHaveLength(3);
      expect(few.body as object).toMatchObject({ truncated: true, truncated_by: "max_results" });
      const exact = await search({ pattern: "needle", path: "src/one.ts", max_results: 2 });
      expect(exact.matches).toHaveLength(2);
      expect(exact.body as object).toMatchObject({ truncated: false });
      const long = await search({ pattern: "faraway", max_line_bytes: 101 });
      expect(long.matches).toHaveLength(1);
      expect(long.matches[0]).toMatchObject({ column: 5002, text: "é".repeat(50), line_truncated: true });
      await writeFile(join(daemon.workspace, "many.txt"), `${"z".repeat(1000)}\n`.repeat(9000));
      const much = await search({ pattern: "zz", path: "many.txt", max_results: 10_000 });
      expect(much.body["truncated_by"]).toBe("max_bytes");
      expect(JSON.stringify(much.body).length).toBeLessThan(4 * 2 ** 20);
    });

    test("answers GET with the same fields in the query", async () => {
      const response = await daemon.fetch(
        "/files/search?pattern=NEEDLE&case=insensitive&include=*.ts&context=1",
      );
      const { matches, engine: used } = (await response.json()) as { matches: Found[]; engine: string };
      expect([matches.length, used, matches[0]?.before]).toEqual([3, engine, []]);
    });

    test.each([
      [{ pattern: "" }, "pattern must not be empty"],
      [{ pattern: "(", regex: true }, "missing closing )"],
      [{ pattern: "(?=a)b", regex: true }, "Perl syntax"],
      [{ pattern: "a\nb" }, "lines are searched one by one"],
      [{ pattern: "(((a{30}){30}){30})", regex: true }, ""],
      [{ pattern: "a", max_results: 0 }, "max_results"],
      [{ pattern: "a", depth: 1 }, "depth"],
      [{ pattern: "a", path: "src/fifo" }, "FIFO"],
    ])("refuses %j", async (body, reason) => {
      const answer = await search(body);
      expect(answer.status).toBe(400);
      expect(answer.body.message).toContain(reason);
    });

    test("says that a path is not there", async () => {
      expect((await search({ pattern: "a", path: "nowhere" })).status).toBe(404);
    });

    test("answers what it found when the time is up, and others meanwhile", async () => {
      const tree = join(daemon.workspace, "large");
      await mkdir(tree, { recursive: true });
      const text = `${"a".repeat(4000)}b\n`.repeat(2000);
      for (let i = 0; i < 40; i++) await writeFile(join(tree, `${i}.txt`), text);
      // Would take a backtracking engine longer than the universe is old.
      const searching = search({ pattern: "(a+)+$|(a|aa)+c", regex: true, path: "large", timeout: 1 });
      let answered = 0;
      while ((await Promise.race([searching, daemon.fetch("/ping")])) instanceof Response) answered++;
      const { body } = await searching;
      expect(body["count"]).toBe(0);
      expect([undefined, "timeout"]).toContain(body["truncated_by"] as string | undefined);
      expect(answered).toBeGreaterThan(0);
    });

    test("stops when the client leaves", async () => {
      const leaving = new AbortController();
      const asked = daemon.fetch("/files/search", {
        method: "POST",
        body: JSON.stringify({
          pattern: "nothing-like-this",
          path: "/",
          hidden: true,
          ignored: true,
          timeout: 300,
        }),
        signal: leaving.signal,
      });
      leaving.abort();
      await asked.catch(() => undefined);
      await until(async () => {
        const { active_runs } = (await (await daemon.fetch("/health")).json()) as { active_runs: number };
        return active_runs === 0;
      });
    });
  });
}

test.each(ENGINES)("%s stays inside the allowed roots", async (_, path) => {
  await using daemon = await TestDaemon.start();
  const roots = join(daemon.workspace, "in");
  await mkdir(roots, { recursive: true });
  await using bound = await TestDaemon.start({ env: { PATH: path, SANDERLING_ALLOWED_ROOTS: roots } });
  await writeFile(join(roots, "a.txt"), "needle\n");
  await writeFile(join(daemon.workspace, "b.txt"), "needle\n");
  await symlink(daemon.workspace, join(roots, "up"));
  const ask = (where: string) => bound.post("/files/search", { pattern: "needle", path: where });
  expect((await ask(roots)).body["count"]).toBe(1);
  expect((await ask(daemon.workspace)).status).toBe(403);
  expect((await ask(join(roots, "up"))).status).toBe(403);
});
