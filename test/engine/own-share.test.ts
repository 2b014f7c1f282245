import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../support/clients.ts";

const AUTOGROUP = "/proc/self/autogroup";
const MODULE = join(import.meta.dir, "../../src/engine/process/own-share.ts");

const PROGRAM = `
const { favourOwnSession } = await import(${JSON.stringify(MODULE)});
const tell = async () => console.log((await Bun.file("${AUTOGROUP}").text()).match(/nice (-?\\d+)/)[1]);
await tell();
const share = favourOwnSession();
await tell();
share[Symbol.dispose]();
await tell();
`;

test.skipIf(!existsSync(AUTOGROUP) || process.getuid?.() !== 0)(
  "the share of a session is given back as it was",
  async () => {
    const { code, stdout } = await runProgram(["setsid", process.execPath, "-e", PROGRAM]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "0\n-15\n0\n" });
  },
);
