import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MAIN } from "../../support/cli.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { SocketClient } from "../../support/socket-client.ts";

/** A kernel gives a user namespace a limit of its own, so that nobody else's is touched. */
const LIMITED = [
  ...["unshare", "--user", "--map-root-user", "sh", "-c"],
  'echo 20 >/proc/sys/user/max_inotify_watches && exec "$@"',
  "sh",
];
const canLimit = Bun.spawnSync([...LIMITED, "true"], { stderr: "ignore" }).success;

test.skipIf(!canLimit)(
  "a watch that the kernel has no room for says so, once, and from where on",
  async () => {
    await using daemon = await TestDaemon.start({ command: [...LIMITED, ...MAIN] });
    const tree = join(daemon.workspace, "tree");
    for (let index = 0; index < 40; index++) await mkdir(join(tree, `d${index}`), { recursive: true });
    await using client = await SocketClient.open(daemon, "/files/watch");
    client.send({ action: "watch", path: tree, recursive: true });
    const limit = (await client.upTo("limit")).at(-1);
    expect(String(limit?.["message"])).toContain("max_user_watches");
    expect(String(limit?.["path"])).toStartWith(`${tree}/d`);
    await client.upTo("status");
    // What is watched is told as ever.
    await writeFile(join(tree, "file"), "");
    const told = await client.upTo("change");
    expect(told.at(-1)).toMatchObject({ event: "created", path: join(tree, "file") });
    expect(client.messages.filter(({ type }) => type === "limit").length).toBe(1);
  },
);
