import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setUpPackages } from "../../src/setup/packages.ts";
import type { PartResult } from "../../src/setup/result.ts";
import { contextFor, temporaryDirectory } from "./support.ts";

const isRoot = process.getuid?.() === 0;

/** Stands for a package manager whose package brings a compiler: notes what it was asked, with its environment. */
const APT_GET = `#!/bin/sh
here=\${0%/*}
echo "$DEBIAN_FRONTEND $*" >>"$here/asked"
[ "$1" = install ] || exit 0
printf '#!/bin/sh\\necho javac 21.0.1\\n' >"$here/javac"
/bin/chmod +x "$here/javac"
`;

function fixture(directory: string, aptGet?: string) {
  const programs = join(directory, "programs");
  mkdirSync(programs);
  if (aptGet !== undefined) {
    writeFileSync(join(programs, "apt-get"), aptGet);
    chmodSync(join(programs, "apt-get"), 0o755);
  }
  return { programs, context: contextFor(join(directory, "data"), { PATH: programs }) };
}

function fixOf(result: PartResult): string {
  return result.state === "failed" ? `${result.detail}; ${result.fix}` : "it has not failed";
}

test.skipIf(!isRoot)("installs what is missing, asks nobody, and tells what it got", async () => {
  await using directory = temporaryDirectory();
  const { programs, context } = fixture(directory.path, APT_GET);
  const result = await setUpPackages("java", ["a-jdk"], context);
  const detail = `21.0.1 (${join(programs, "javac")})`;
  expect(result).toEqual({ state: "ready", changed: true, detail });
  const asked = readFileSync(join(programs, "asked"), "utf8").trim().split("\n");
  expect(asked).toEqual(["noninteractive update", "noninteractive install -y --no-install-recommends a-jdk"]);
  expect(await setUpPackages("java", ["a-jdk"], context)).toMatchObject({ changed: false });
});

test.skipIf(!isRoot)("says which step of the package manager failed", async () => {
  await using directory = temporaryDirectory();
  const { context } = fixture(directory.path, "#!/bin/sh\nexit 100\n");
  const result = await setUpPackages("java", ["a-jdk"], context);
  expect(fixOf(result)).toContain("apt-get update failed: exit code 100");
});

test("says what to install where there is no package manager that it knows", async () => {
  await using directory = temporaryDirectory();
  const { context } = fixture(directory.path);
  expect(fixOf(await setUpPackages("java", ["a-jdk"], context))).toContain("install a-jdk");
});
