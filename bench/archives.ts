import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TestDaemon } from "../test/support/daemon.ts";
import { compare, type Row } from "./measure.ts";

const FILES = 2000;
const FILE_BYTES = 128 * 1024;

/** A tree of 2000 files, 250 MiB in all, each way, beside the machine's own `tar`. */
export async function archiveRows(daemon: TestDaemon): Promise<Row[]> {
  const root = join(daemon.directory, "archives");
  const [tree, archive] = [join(root, "tree"), join(root, "tree.tar.gz")];
  await plant(tree);
  await sh("tar -czf $1 -C $2 .", archive, tree);
  const url = (path: string) => `${daemon.url}/files/archive?path=${encodeURIComponent(path)}`;
  const curl = `curl -sf -o /dev/null -H "Authorization: Bearer ${daemon.token}"`;
  const [ours, theirs] = [join(root, "ours"), join(root, "theirs")];
  const rows = [
    ...(await compare(
      "GET /files/archive, 2000 files, 250 MiB",
      () => sh(`${curl} $1`, url(tree)),
      "tar -cz",
      () => sh("tar -czf - -C $1 . > /dev/null", tree),
      3,
    )),
    ...(await compare(
      "POST /files/archive, on the disk for good",
      () => sh(`rm -rf $2; ${curl} --data-binary @$3 $1`, url(ours), ours, archive),
      "tar -xz, then sync",
      () => sh("rm -rf $1; mkdir $1; tar -xzf $2 -C $1; sync -f $1", theirs, archive),
      3,
    )),
  ];
  await rm(root, { recursive: true });
  return rows;
}

/** Half of each file can be compressed, as with programs and their sources. */
async function plant(tree: string): Promise<void> {
  for (let i = 0; i < FILES; i++) {
    const directory = join(tree, String(i % 50));
    if (i < 50) await mkdir(directory, { recursive: true });
    const bytes = new Uint8Array(FILE_BYTES);
    crypto.getRandomValues(bytes.subarray(0, FILE_BYTES / 2));
    await Bun.write(join(directory, String(i)), bytes);
  }
}

async function sh(script: string, ...args: readonly string[]): Promise<void> {
  const child = Bun.spawn(["sh", "-ec", script, "sh", ...args], { stdout: "ignore" });
  if ((await child.exited) !== 0) throw new Error(`${script} failed`);
}
