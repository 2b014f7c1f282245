import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { need, type Stage } from "../harness/stage.ts";
import type { Growth, Subject } from "../harness/scenario.ts";

const TREE: Growth = { of: ["file", "files"], sizes: [2000], quick: [100] };
const FILE_BYTES = 128 * 1024;
const DIRECTORIES = 50;

export const archives: Subject = {
  name: "archives",
  title: "Archives",
  about:
    "A tree of files of 128 KiB (2,000 are 250 MiB), half of each compressible, beside the machine's own `tar`.",
  scenarios: [
    {
      name: "download",
      what: "`GET /files/archive`",
      isLong: true,
      growth: TREE,
      open: async (stage, count) => {
        const { daemon, tree, curl } = await prepare(stage, count);
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: async () => {
              await stage.run([...curl, urlOf(daemon.url, tree)]);
            },
          },
          {
            what: "`tar -cz`",
            call: async () => {
              await stage.sh("tar -czf - -C $1 . > /dev/null", tree);
            },
          },
        ];
      },
    },
    {
      name: "upload",
      what: "`POST /files/archive`, on the disk for good",
      isLong: true,
      growth: TREE,
      open: async (stage, count) => {
        const { daemon, root, tree, curl } = await prepare(stage, count);
        const [archive, ours, theirs] = [join(root, "tree.tar.gz"), join(root, "ours"), join(root, "theirs")];
        await stage.sh("tar -czf $1 -C $2 .", archive, tree);
        const upload = [...curl, "--data-binary", `@${archive}`, urlOf(daemon.url, ours)];
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            before: async () => {
              await stage.sh("rm -rf $1", ours);
            },
            call: async () => {
              await stage.run(upload);
            },
          },
          {
            what: "`tar -xz`, then sync",
            before: async () => {
              await stage.sh("rm -rf $1; mkdir $1", theirs);
            },
            call: async () => {
              await stage.sh("tar -xzf $1 -C $2; sync -f $2", archive, theirs);
            },
          },
        ];
      },
    },
  ],
};

async function prepare(stage: Stage, count: number) {
  need("curl", "tar");
  const [daemon, root] = [await stage.daemon(), await stage.directory()];
  const tree = join(root, "tree");
  await plant(tree, count);
  const curl = ["curl", "-sf", "-o", "/dev/null", "-H", `Authorization: Bearer ${daemon.token}`];
  return { daemon, root, tree, curl };
}

function urlOf(url: string, path: string): string {
  return `${url}/files/archive?path=${encodeURIComponent(path)}`;
}

/** Half of each file can be compressed, as with programs and their sources. */
async function plant(tree: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const directory = join(tree, String(i % DIRECTORIES));
    if (i < DIRECTORIES) await mkdir(directory, { recursive: true });
    const bytes = new Uint8Array(FILE_BYTES);
    crypto.getRandomValues(bytes.subarray(0, FILE_BYTES / 2));
    await Bun.write(join(directory, String(i)), bytes);
  }
}
