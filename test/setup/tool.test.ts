import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "../../src/setup/tool.ts";
import { ENVIRONMENT } from "./support.ts";

const captured = { env: ENVIRONMENT, output: "captured" } as const;

test("a tool that cannot be started has failed, and says why", async () => {
  const result = await runTool(["/nowhere/at-all"], captured);
  expect(result.succeeded).toBe(false);
  expect(result.ending).toContain("/nowhere/at-all");
});

test("a tool that does not answer is ended with its children at the deadline", async () => {
  const started = performance.now();
  const result = await runTool(["sh", "-c", "sleep 60 & sleep 60"], { ...captured, deadlineMs: 100 });
  expect(result).toMatchObject({ succeeded: false, ending: "no answer within 0.1 s" });
  expect(performance.now() - started).toBeLessThan(10_000);
});

test("a tool's child that left its session and holds the output does not hold the answer", async () => {
  const script = "setsid sleep 2 & exit 0";
  const result = await runTool(["sh", "-c", script], { ...captured, deadlineMs: 100 });
  expect(result.ending).toBe("no answer within 0.1 s");
});

test("only the engine's spawn and the set-up's tool start processes", async () => {
  const root = join(import.meta.dir, "../..");
  const starters: string[] = [];
  for await (const file of new Bun.Glob("src/**/*.ts").scan({ cwd: root })) {
    const text = readFileSync(join(root, file), "utf8");
    if (/\bBun\s*\.\s*(spawn|spawnSync|\$)|child_process|import .*\$.* from "bun"/.test(text))
      starters.push(file);
  }
  expect(starters.toSorted()).toEqual(["src/engine/process/spawn.ts", "src/setup/tool.ts"]);
});
