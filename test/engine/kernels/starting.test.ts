import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { KernelKind } from "../../../src/engine/kernels/kernel-kind.ts";
import { startKernel, type StartContext } from "../../../src/engine/kernels/start-kernel.ts";
import { refusal, until } from "../../support/engine.ts";
import { kernelPids, openKernels } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

/** What starts kernels of any kind, in an engine of its own. */
async function openStarter(overrides: Partial<StartContext> = {}) {
  const kernels = await openKernels();
  const { engine, temporary, workspace } = kernels.lab;
  const python = kernels.contexts.languages().find(({ language }) => language === "python")?.kernel;
  if (python === undefined) throw new Error("the product's Python has no kernel");
  const notices: string[] = [];
  const context: StartContext = {
    runs: engine.runs,
    scratch: temporary,
    user: undefined,
    startTimeoutMs: 30_000,
    messageBytes: 1024 * 1024,
    onNotice: (notice, details) => notices.push(`${notice} ${JSON.stringify(details)}`),
    ...overrides,
  };
  const kind = (more: Partial<KernelKind>, argv = python.argv): KernelKind => ({
    ...{ language: "python", title: "Test", transport: "ipc", forwardsOutput: true },
    ...more,
    spec: { ...python, argv },
  });
  return {
    ...{ notices, python, kind },
    /** A kernel that is begun by a shell script; "$@" in it is the true kernel's command line. */
    scripted: (script: string, more: Partial<KernelKind> = {}) =>
      kind(more, ["/bin/sh", "-c", script, "sh", ...python.argv]),
    start: (wanted: KernelKind, signal = new AbortController().signal) =>
      startKernel(wanted, { cwd: workspace, env: engine.environment, limits: {} }, context, signal),
    /** Directories of kernels that are left. */
    left: () => readdirSync(temporary).filter((name) => name.startsWith("k")),
    temporary,
    [Symbol.asyncDispose]: () => kernels[Symbol.asyncDispose](),
  };
}

describe("a kernel", () => {
  test.each(["ipc", "tcp"] as const)(
    "is spoken to over %s, with its secrets closed to others",
    async (transport) => {
      await using starter = await openStarter();
      await using kernel = await starter.start(starter.kind({ transport }));
      await kernel.executeSilently("assert 1 + 1 == 2");
      const [name = ""] = starter.left();
      const directory = join(starter.temporary, name);
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      expect(statSync(join(directory, "connection.json")).mode & 0o777).toBe(0o600);
      expect(readdirSync(directory)).toHaveLength(transport === "ipc" ? 6 : 1);
      await kernel[Symbol.asyncDispose]();
      expect(starter.left()).toEqual([]);
      expect(kernelPids()).toEqual([]);
    },
  );

  test("whose port was taken in between is started again with others", async () => {
    await using starter = await openStarter();
    const mark = join(starter.temporary, "tried");
    const script = `if [ -e ${mark} ]; then exec "$@"; fi; : > ${mark}; echo "Address already in use" >&2; exit 1`;
    await using kernel = await starter.start(starter.scripted(script, { transport: "tcp" }));
    await kernel.executeSilently("1");
    expect(starter.left()).toHaveLength(1);
  });

  test("that is taken again and again is given up with what it said", async () => {
    await using starter = await openStarter();
    const script = 'echo "Address already in use" >&2; exit 1';
    const error = await refusal(starter.start(starter.scripted(script, { transport: "tcp" })));
    expect(error).toMatchObject({ code: "unavailable" });
    expect(error.message).toBe(
      "Cannot start a Test kernel: exited with code 1; it said: Address already in use",
    );
  });

  test.each(["ipc", "tcp"] as const)(
    "that does not know the key is no kernel of ours (%s)",
    async (transport) => {
      await using starter = await openStarter();
      const file = join(starter.temporary, "rekey.py");
      const rekey = `import json, sys; f = sys.argv[-1]; c = json.load(open(f)); c["key"] = "other"; json.dump(c, open(f, "w"))`;
      writeFileSync(file, rekey);
      const [program] = starter.python.argv;
      const script = `"${program}" ${file} "$@" && exec "$@"`;
      const error = await refusal(starter.start(starter.scripted(script, { transport })));
      expect(error.message).toMatch(
        /^Cannot start a Test kernel: a message is not signed with the key of this kernel/,
      );
      expect(starter.notices.join()).toMatch(/not signed/);
      expect([starter.left(), kernelPids()]).toEqual([[], []]);
    },
  );

  test("that does not answer in time is ended", async () => {
    await using starter = await openStarter({ startTimeoutMs: 300 });
    const error = await refusal(starter.start(starter.scripted("echo wait >&2; exec sleep 600")));
    expect(error.message).toBe("Cannot start a Test kernel: it does not answer after 0.3 s; it said: wait");
    expect([starter.left(), kernelPids()]).toEqual([[], []]);
  });

  test("that nobody wants any more is not waited for", async () => {
    await using starter = await openStarter();
    const control = new AbortController();
    const starting = refusal(starter.start(starter.scripted("exec sleep 600"), control.signal));
    await until(() => kernelPids().length === 1);
    control.abort();
    expect((await starting).message).toBe("Cannot start a Test kernel: it is no longer wanted");
    expect([starter.left(), kernelPids()]).toEqual([[], []]);
  });

  test("that is not there says so", async () => {
    await using starter = await openStarter();
    const error = await refusal(starter.start(starter.kind({}, ["/no/such/kernel"])));
    expect(error).toMatchObject({ code: "unavailable" });
    expect(error.message).toMatch(/could not start: \/no\/such\/kernel: not found/);
    expect(starter.left()).toEqual([]);
  });

  test("whose preparation fails is ended with the reason", async () => {
    await using starter = await openStarter();
    const error = await refusal(starter.start(starter.kind({ warmUp: "import nowhere" })));
    expect(error.message).toBe(
      "Cannot prepare a Test kernel: ModuleNotFoundError: No module named 'nowhere'",
    );
    expect([starter.left(), kernelPids()]).toEqual([[], []]);
  });

  test("that hangs up without ending is ended, and said to be lost", async () => {
    await using starter = await openStarter();
    await using kernel = await starter.start(starter.kind({}));
    const code =
      "import os, socket, stat\nfor fd in map(int, os.listdir('/proc/self/fd')):\n  try:\n    s = socket.socket(fileno=os.dup(fd)); s.getpeername(); s.shutdown(2)\n  except OSError: pass";
    void kernel.executeSilently(code).catch(() => undefined);
    const { end } = await kernel.died;
    expect(end).toEqual({ cause: "lost", message: expect.stringContaining("hung up") as string });
  });
});
