import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunUser } from "../../src/engine/user.ts";
import { canBeChangedBy } from "../../src/setup/trust.ts";
import { temporaryDirectory } from "./support.ts";

const NOBODY: RunUser = {
  name: "nobody",
  uid: 65_534,
  gid: 65_534,
  groups: [65_534],
  home: "/",
  shell: "/bin/sh",
};

test.skipIf(process.getuid?.() !== 0)("sees what another user could change, also through links", async () => {
  await using directory = temporaryDirectory();
  const program = join(directory.path, "bin", "program");
  mkdirSync(join(program, ".."));
  writeFileSync(program, "");
  const link = join(directory.path, "link");
  symlinkSync(program, link);
  expect(canBeChangedBy(link, NOBODY)).toBe(false);
  chmodSync(join(program, ".."), 0o777);
  expect(canBeChangedBy(link, NOBODY)).toBe(true);
  chmodSync(join(program, ".."), 0o755);
  chownSync(program, NOBODY.uid, NOBODY.gid);
  expect(canBeChangedBy(link, NOBODY)).toBe(true);
});

test("does not trust what is not there", () => {
  expect(canBeChangedBy("/nowhere/at-all", NOBODY)).toBe(true);
});
