import { join } from "node:path";
import { get } from "../harness/calls.ts";
import { need, type Stage } from "../harness/stage.ts";
import type { Growth, Subject } from "../harness/scenario.ts";

const SIZES: Growth = { of: "bytes", sizes: [2 ** 10, 2 ** 20, 2 ** 26, 2 ** 30], quick: [2 ** 10, 2 ** 20] };
const COUNTS: Growth = { of: ["file", "files"], sizes: [10, 1000, 10_000, 100_000], quick: [10, 1000] };

export const files: Subject = {
  name: "files",
  title: "Files, as they grow",
  about:
    "Transfers by curl, in its own measure without its start, beside plain `Bun.file` and `Bun.write` in a server of the same runtime; an upload is on the disk for good before it is answered. Lists and searches are of one directory, beside the machine's own programs.",
  scenarios: [
    {
      name: "download",
      what: "`GET /files/download`",
      growth: SIZES,
      open: async (stage, bytes) => {
        const { daemon, floor, source } = await prepare(stage, bytes);
        const bearer = ["-H", `Authorization: Bearer ${daemon.token}`];
        const file = encodeURIComponent(source);
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: () => curl(stage, [...bearer, `${daemon.url}/files/download?path=${file}`]),
          },
          {
            what: "plain Bun.file",
            pid: floor.child.pid,
            call: () => curl(stage, [`${floor.url}?file=${file}`]),
          },
        ];
      },
    },
    {
      name: "upload",
      what: "`POST /files/upload`",
      growth: SIZES,
      open: async (stage, bytes) => {
        const { daemon, floor, source } = await prepare(stage, bytes);
        const copy = `${source}-copy`;
        const bearer = ["-H", `Authorization: Bearer ${daemon.token}`];
        const form = ["-F", `file=@${source}`, "-F", `path=${copy}`];
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: () => curl(stage, [...bearer, ...form, `${daemon.url}/files/upload`]),
          },
          {
            what: "plain Bun.write, then sync",
            pid: floor.child.pid,
            call: () => curl(stage, ["-T", source, `${floor.url}?file=${encodeURIComponent(copy)}`]),
          },
        ];
      },
    },
    {
      name: "list",
      what: "`GET /files/list`",
      growth: COUNTS,
      open: async (stage, count) => {
        const daemon = await stage.daemon();
        const directory = join(await stage.directory(), "many");
        await plant(stage, directory, count);
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: () => get(daemon, `/files/list?path=${encodeURIComponent(directory)}`),
          },
          {
            what: "`ls -l`",
            call: async () => {
              await stage.run(["ls", "-l", directory]);
            },
          },
        ];
      },
    },
    {
      name: "search",
      what: "`GET /files/search`, a word that one file has",
      growth: COUNTS,
      open: async (stage, count) => {
        const daemon = await stage.daemon();
        const directory = join(await stage.directory(), "many");
        await plant(stage, directory, count);
        await Bun.write(join(directory, "one"), "the needle\n");
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: () => get(daemon, `/files/search?pattern=needle&path=${encodeURIComponent(directory)}`),
            facts: () => ({
              "searched by": Bun.which("rg") === null ? "the daemon itself (no ripgrep here)" : "ripgrep",
            }),
          },
          {
            what: "`grep -r`",
            call: async () => {
              await stage.run(["grep", "-r", "needle", directory]);
            },
          },
        ];
      },
    },
  ],
};

async function prepare(stage: Stage, bytes: number) {
  need("curl");
  const source = join(await stage.directory(), "source");
  await stage.sh(`head -c ${bytes} /dev/urandom > "$1"`, source);
  return { daemon: await stage.daemon(), floor: await stage.floor(), source };
}

/** Milliseconds of the transfer, as curl counts them: without its own start. */
async function curl(stage: Stage, args: readonly string[]): Promise<number> {
  return 1000 * Number(await stage.run(["curl", "-sf", "-o", "/dev/null", "-w", "%{time_total}", ...args]));
}

/** So many small files in one directory. */
async function plant(stage: Stage, directory: string, count: number): Promise<void> {
  const script =
    'mkdir "$1"; cd "$1"; seq -f "file-%06.0f" "$2" | xargs sh -c \'for name; do echo "some words" > $name; done\' sh';
  await stage.sh(script, directory, String(count));
}
