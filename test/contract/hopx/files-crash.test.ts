import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "tar-stream";
import { placedIn } from "../../support/cli.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

/** What daemons of one test share: workspace, data and temporary directory. */
class Place implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async make(): Promise<Place> {
    const root = await mkdtemp(join(tmpdir(), "sanderling-crash-"));
    await mkdir(join(root, "temporary"));
    return new Place(root);
  }

  start(): Promise<TestDaemon> {
    return TestDaemon.start({ env: { ...placedIn(this.root), TMPDIR: join(this.root, "temporary") } });
  }

  at(name: string): string {
    return join(this.root, "workspace", name);
  }

  async names(directory = "workspace"): Promise<string[]> {
    return (await readdir(join(this.root, directory))).toSorted();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.root, { recursive: true, force: true });
  }
}

const left = (names: readonly string[]) => names.filter((name) => name.startsWith(".sanderling-"));

describe("a daemon that is killed with SIGKILL", () => {
  test("while it writes files from JSON leaves each with its old content or its new, whole", async () => {
    await using place = await Place.make();
    const size = 4 * 2 ** 20;
    for (let round = 0; round < 4; round++) {
      await using daemon = await place.start();
      let written = 0;
      const writer = async (name: string) => {
        for (let i = 0; ; i++) {
          await daemon.post("/files/write", { path: name, content: String(i % 10).repeat(size) });
          written++;
        }
      };
      const writing = Promise.allSettled(["a", "b"].map(writer));
      // In a later round at a later moment.
      await until(() => written >= 2 + round);
      await daemon.stop("SIGKILL");
      await writing;
      for (const name of ["a", "b"]) {
        const content = await readFile(place.at(name), "utf8");
        expect(content.length).toBe(size);
        expect(content === (content[0] ?? "").repeat(size)).toBe(true);
      }
    }
    await using next = await place.start();
    expect((await next.fetch("/health")).status).toBe(200);
    await until(async () => left(await place.names()).length === 0);
    expect(await place.names()).toEqual(["a", "b"]);
  });

  test("while it unpacks an archive leaves what was there, and the next removes what it had begun, only", async () => {
    await using place = await Place.make();
    const others = `.sanderling-${crypto.randomUUID()}.part`;
    {
      await using daemon = await place.start();
      await mkdir(place.at("into"));
      await writeFile(place.at("into/file"), "old");
      await writeFile(place.at(`into/${others}`), "somebody else's");
      const tar = pack();
      tar.entry({ name: "file" }, "new");
      tar.entry({ name: "large", size: 2 ** 20 }).write(Buffer.alloc(65_536));
      const body = new ReadableStream<Uint8Array>({
        start: async (controller) => {
          for await (const piece of tar as AsyncIterable<Uint8Array>) controller.enqueue(piece);
        },
      });
      const asked = daemon.fetch("/files/archive?path=into", { method: "POST", body }).catch(() => undefined);
      const mine = async () => left(await place.names("workspace/into")).find((name) => name !== others);
      const staged = await until(mine);
      await until(async () => (await readdir(place.at(`into/${staged}`))).includes("large"));
      await daemon.stop("SIGKILL");
      await asked;
      expect(await place.names("workspace/into")).toEqual([others, staged, "file"].toSorted());
      expect(await readFile(place.at("into/file"), "utf8")).toBe("old");
    }
    await using next = await place.start();
    expect((await next.fetch("/health")).status).toBe(200);
    await until(async () => (await place.names("workspace/into")).length === 2);
    expect(await place.names("workspace/into")).toEqual([others, "file"].toSorted());
  });

  test("leaves a scratch directory, which the next removes; that of a living daemon stays", async () => {
    await using place = await Place.make();
    await using killed = await place.start();
    // Its own data directory, as two sandboxes on one machine have.
    await using living = await TestDaemon.start({ env: { TMPDIR: join(place.root, "temporary") } });
    const [one, two] = await place.names("temporary");
    for (const name of [one, two]) expect(name).toStartWith("sanderling-scratch-");
    await killed.post("/execute", { language: "python", code: "print(1)" });
    await killed.stop("SIGKILL");
    expect(await place.names("temporary")).toHaveLength(2);
    await using next = await place.start();
    const isSwept = async () =>
      (await place.names("temporary")).filter((name) => [one, two].includes(name)).length;
    await until(async () => (await isSwept()) === 1);
    for (const daemon of [living, next])
      expect((await daemon.post("/execute", { language: "python", code: "print(2)" })).body.stdout).toBe(
        "2\n",
      );
    await next.stop();
    await living.stop();
    expect(await place.names("temporary")).toEqual([]);
  });
});
