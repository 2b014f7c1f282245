import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { TestDaemon } from "../test/support/daemon.ts";
import type { Floor } from "./floor.ts";
import { compare, type Row } from "./measure.ts";

const BYTES = 2 ** 30;

/** 1 GiB each way, beside plain `Bun.file` and `Bun.write` in a server of the same runtime. */
export async function fileRows(daemon: TestDaemon, floor: Floor): Promise<Row[]> {
  const source = join(daemon.directory, "gibibyte");
  await Bun.spawn(["sh", "-c", `head -c ${BYTES} /dev/urandom > "$1"`, "sh", source]).exited;
  const bearer = ["-H", `Authorization: Bearer ${daemon.token}`];
  const copy = join(daemon.directory, "copy");
  const onFloor = (path: string) => `${floor.url}?file=${encodeURIComponent(path)}`;
  const rows = [
    ...(await compare(
      "GET /files/download 1 GiB",
      () => curl([...bearer, `${daemon.url}/files/download?path=${encodeURIComponent(source)}`]),
      "plain Bun.file",
      () => curl([onFloor(source)]),
      3,
    )),
    ...(await compare(
      "POST /files/upload 1 GiB, on the disk for good",
      () => curl([...bearer, "-F", `file=@${source}`, "-F", `path=${copy}`, `${daemon.url}/files/upload`]),
      "plain Bun.write, then sync",
      () => curl(["-T", source, onFloor(copy)]),
      3,
    )),
  ];
  await rm(source);
  await rm(copy);
  return rows;
}

async function curl(args: readonly string[]): Promise<void> {
  const child = Bun.spawn(["curl", "-sf", "-o", "/dev/null", ...args], { stdout: "ignore" });
  if ((await child.exited) !== 0) throw new Error(`curl ${args.at(-1) ?? ""} failed`);
}
