import { expect, test } from "bun:test";
import { join } from "node:path";

test("a child that writes 1 GiB to a reader costs the daemon less than 64 MiB", async () => {
  const script = join(import.meta.dir, "..", "support", "write-gib.ts");
  await using child = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "inherit" });
  const report = (await child.stdout.json()) as Record<string, unknown>;
  expect(await child.exited).toBe(0);
  expect(report["end"]).toEqual({ cause: "exited", code: 0 });
  expect([report["totalBytes"], report["toldBytes"]]).toEqual([2 ** 30, 2 ** 30]);
  expect(report["growthBytes"]).toBeLessThan(64 * 1024 * 1024);
}, 120_000);
