/** Replaces the variables of the file named, again and again, until it is killed; says READY after the first. */
import { SandboxVariables } from "../../src/engine/variables.ts";

const [, , path = ""] = process.argv;
const variables = new SandboxVariables({ base: {}, path, onNotice: () => undefined });
for (let round = 0; ; round++) {
  const value = String(round % 10).repeat(100_000);
  await variables.replace({ FIRST: value, SECOND: value, THIRD: value });
  if (round === 0) process.stdout.write("READY\n");
}
