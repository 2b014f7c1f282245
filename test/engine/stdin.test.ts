import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { EngineError } from "../../src/engine/error.ts";
import { INPUT_CAPACITY, type InputPipe } from "../../src/engine/process/input-pipe.ts";
import type { ProcessRun } from "../../src/engine/process/process-run.ts";
import { openEngine, outcome, printed, said, until } from "../support/engine.ts";

setDefaultTimeout(60_000);

const open = { keepStdinOpen: true };
const bytes = (text: string) => new TextEncoder().encode(text);

function inputOf(run: ProcessRun): InputPipe {
  if (run.stdin === undefined) throw new Error("the run has no open stdin");
  return run.stdin;
}

function refusalOf(act: () => void): EngineError {
  try {
    act();
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error("expected an EngineError, but nothing was thrown");
}

describe("an open stdin", () => {
  test("carries what is written while the program runs, in order, and then its end", async () => {
    await using lab = await openEngine();
    const run = await lab.sh("while read line; do echo got $line; done; echo end", open);
    const input = inputOf(run);
    input.write(bytes("one\ntwo\n"));
    await said(run, /got two/);
    input.write(bytes("three\n"));
    await said(run, /got three/);
    expect(input.state).toBe("open");
    input.end();
    const done = await outcome(run);
    expect(done.stdout).toBe("got one\ngot two\ngot three\nend\n");
    expect(done.end).toEqual({ cause: "exited", code: 0 });
    expect(input.state).toBe("closed");
  });

  test("begins with the input given at the start, also when that is more than may wait", async () => {
    await using lab = await openEngine();
    const beginning = "0123456789abcde\n".repeat((3 * INPUT_CAPACITY) / 16);
    const counted = await lab.sh("cksum", { ...open, stdin: beginning });
    inputOf(counted).end();
    const piped = await lab.sh("cksum", { stdin: beginning });
    const [first, second] = [await outcome(counted), await outcome(piped)];
    expect(first.stdout).toBe(second.stdout);
    expect(first.stdout).toContain(String(beginning.length));
  });

  test("is a pipe that the program may open again by its name", async () => {
    await using lab = await openEngine();
    const run = await lab.sh("cat /dev/stdin", open);
    inputOf(run).write(bytes("again"));
    inputOf(run).end();
    expect((await outcome(run)).stdout).toBe("again");
  });

  test("is not there unless asked for: the program reads the end of the file at once", async () => {
    await using lab = await openEngine();
    const run = await lab.sh("cat; echo end");
    expect(run.stdin).toBeUndefined();
    expect((await outcome(run)).stdout).toBe("end\n");
  });
});

describe("a program that does not read its stdin", () => {
  test("delays nobody: writes are accepted up to a bound, then refused whole", async () => {
    await using lab = await openEngine();
    const run = await lab.sh("exec sleep 600", open);
    const input = inputOf(run);
    const piece = new Uint8Array(100_000);
    const started = performance.now();
    let accepted = 0;
    const refused = refusalOf(() => {
      for (;;) {
        input.write(piece);
        accepted += piece.byteLength;
      }
    });
    expect(refused.code).toBe("busy");
    expect(accepted).toBeGreaterThanOrEqual(INPUT_CAPACITY - piece.byteLength);
    expect(accepted).toBeLessThanOrEqual(INPUT_CAPACITY + 128 * 1024);
    expect(input.waitingBytes).toBeLessThanOrEqual(INPUT_CAPACITY);
    expect(performance.now() - started).toBeLessThan(5000);
    expect((await outcome(lab.sh("echo others go on"))).stdout).toBe("others go on\n");
    await run.cancel("requested");
    // Whichever is noticed first: that nobody can read any more, or that the run is over.
    expect(["closed", "refused"]).toContain(input.state);
    expect(input.waitingBytes).toBe(0);
    await run[Symbol.asyncDispose]();
  });

  test("gets all that waited once it reads, byte for byte", async () => {
    await using lab = await openEngine();
    const piece = new Uint8Array(333_333).map((_, index) => index % 251);
    await Bun.write(`${lab.workspace}/piece`, piece);
    const run = await lab.sh("until [ -e gate ]; do :; done; cksum", open);
    const input = inputOf(run);
    for (let i = 0; i < 3; i++) input.write(piece);
    input.end();
    expect(input.state).toBe("closing");
    await Bun.write(`${lab.workspace}/gate`, "");
    const expected = await outcome(lab.sh("cat piece piece piece | cksum"));
    expect((await outcome(run)).stdout).toBe(expected.stdout);
  });

  test("may close it: the next write is told so, and nobody dies of SIGPIPE", async () => {
    await using lab = await openEngine();
    const run = await lab.sh("exec <&-; echo shut; exec sleep 600", open);
    await said(run, /shut/);
    const refused = refusalOf(() => inputOf(run).write(bytes("x")));
    expect([refused.code, refused.message]).toEqual([
      "conflict",
      "Cannot write to stdin: the program has closed it",
    ]);
    expect(inputOf(run).state).toBe("refused");
    expect(run.hasEnded).toBe(false);
    await run[Symbol.asyncDispose]();
  });

  test("may close it while much waits", async () => {
    await using lab = await openEngine();
    const run = await lab.sh("until [ -e gate ]; do :; done; exec <&-; exec sleep 600", open);
    const input = inputOf(run);
    input.write(new Uint8Array(500_000));
    await Bun.write(`${lab.workspace}/gate`, "");
    await until(() => input.state === "refused");
    expect(input.waitingBytes).toBe(0);
    expect(refusalOf(() => input.end()).code).toBe("conflict");
    await run[Symbol.asyncDispose]();
  });
});

test("after the end nothing more can be written, and an end may be asked for twice", async () => {
  await using lab = await openEngine();
  const run = await lab.sh("cat", open);
  const input = inputOf(run);
  input.end();
  input.end();
  expect(refusalOf(() => input.write(bytes("x"))).message).toBe("Cannot write to stdin: it has been closed");
  await outcome(run);
  input.end();
});

test("one write of more than can ever wait is refused as too large", async () => {
  await using lab = await openEngine();
  const run = await lab.sh("cat > /dev/null", open);
  expect(refusalOf(() => inputOf(run).write(new Uint8Array(INPUT_CAPACITY + 1))).code).toBe("too_large");
  await run[Symbol.asyncDispose]();
});

test("a program that cannot be started has no stdin, and no descriptor is left of any", async () => {
  await using lab = await openEngine();
  const descriptors = async () => (await readdir("/proc/self/fd")).length;
  const all = async () => {
    const missing = await lab.engine.startCommand({ argv: ["no-such-program"], ...open });
    expect(missing.stdin).toBeUndefined();
    await missing[Symbol.asyncDispose]();
    await outcome(lab.sh("true", open));
    const late = await lab.sh("exec sleep 600", open);
    inputOf(late).write(new Uint8Array(500_000));
    await late[Symbol.asyncDispose]();
    const read = await lab.sh("cat", { ...open, stdin: "x" });
    inputOf(read).end();
    expect(Buffer.from(await printed((await read.outcome, read))).toString()).toBe("x");
    await read[Symbol.asyncDispose]();
  };
  for (let i = 0; i < 3; i++) await all();
  const before = await descriptors();
  for (let i = 0; i < 20; i++) await all();
  // A leak would leave one of each round; whatever else of this process comes and goes is not counted.
  await until(async () => (await descriptors()) < before + 10);
});
