import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { execute, openPython } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

const MIB = 2 ** 20;
const BALLAST = "big = bytearray(b'x') * (200 << 20)";

describe.each(["auto", "process_group"] as const)(
  "what a run in a kernel used, with containment %s",
  (kind) => {
    const open = () => openPython({}, { containment: kind });

    test("is its own highest memory, not that of an earlier run", async () => {
      await using lab = await open();
      const before = await execute(lab.context, "1");
      const big = await execute(lab.context, `${BALLAST}\ndel big`);
      const after = await execute(lab.context, "1");
      const peaks = [before, big, after].map(({ usage }) => usage.peakMemoryBytes ?? 0);
      expect(peaks[0]).toBeGreaterThan(10 * MIB);
      expect(peaks[1]).toBeGreaterThan((peaks[0] ?? 0) + 150 * MIB);
      expect(peaks[2]).toBeGreaterThan(10 * MIB);
      expect(peaks[2]).toBeLessThan((peaks[1] ?? 0) - 150 * MIB);
    });

    test("counts what earlier runs still hold", async () => {
      await using lab = await open();
      await execute(lab.context, BALLAST);
      const after = await execute(lab.context, "1");
      expect(after.usage.peakMemoryBytes).toBeGreaterThan(200 * MIB);
    });
  },
);

test("the kernel's own highest memory is still that of all its runs", async () => {
  await using lab = await openPython();
  await execute(lab.context, `${BALLAST}\ndel big`);
  await execute(lab.context, "1");
  const peak = lab.context.usage?.peakMemoryBytes;
  if (lab.lab.engine.containment.enforces.memory) expect(peak).toBeGreaterThan(200 * MIB);
  else expect(peak).toBeNull();
});

test("processes are told of the run that started the most so far, and are unknown of others", async () => {
  await using lab = await openPython();
  const many = await execute(
    lab.context,
    "import subprocess\nall = [subprocess.Popen(['sleep', '60']) for _ in range(20)]\nfor one in all: one.kill(); one.wait()",
  );
  if (lab.lab.engine.containment.enforces.processes) expect(many.usage.peakProcesses).toBeGreaterThan(20);
  else expect(many.usage.peakProcesses).toBeNull();
  const few = await execute(lab.context, "1");
  expect(few.usage.peakProcesses).toBeNull();
});
