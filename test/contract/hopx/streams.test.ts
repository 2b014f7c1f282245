import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { SocketClient, textOf, typesOf, type StreamMessage } from "../../support/socket-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ withPython: true, env: { SANDERLING_STREAM_KEEP_MS: "20000" } });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const code = () => SocketClient.open(daemon, "/execute/stream");
const commands = () => SocketClient.open(daemon, "/commands/stream");

function last(messages: readonly StreamMessage[], type: string): StreamMessage {
  const found = messages.findLast((message) => message.type === type);
  if (found === undefined) throw new Error(`no ${type} among ${typesOf(messages).join()}`);
  return found;
}

describe("a run is told as it goes", () => {
  test("in the order of its output, with one result and complete last", async () => {
    await using client = await commands();
    const told = await client.run({
      command: "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; exit 3",
    });
    expect(typesOf(told)).toEqual(["started", "stdout", "stderr", "stdout", "result", "complete"]);
    expect(told.slice(1, 4).map(({ data }) => data)).toEqual(["one\n", "two\n", "three\n"]);
    expect(last(told, "result")).toMatchObject({
      exit_code: 3,
      execution_time: expect.any(Number) as number,
      end: { cause: "exited", description: "exited with code 3" },
    });
    expect(last(told, "complete")["success"]).toBe(false);
    expect(told.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set(told.map(({ run_id }) => run_id)).size).toBe(1);
  });

  test("before it ends", async () => {
    await using client = await code();
    client.send({
      type: "execute",
      code: "print('first', flush=True); input(); print('second')",
      language: "python",
      timeout: 60,
      workdir: "/tmp",
      stdin_open: true,
    });
    await until(() => textOf(client.messages) === "first\n");
    client.send({ type: "stdin", data: "go\n" });
    expect(textOf(await client.upTo("complete"))).toBe("first\nsecond\n");
  });

  test("one after the other on one connection", async () => {
    await using client = await code();
    const first = await client.run({
      code: "echo $A; pwd",
      language: "bash",
      env: { A: "x" },
      workdir: "/tmp",
    });
    const second = await client.run({ code: "print(6 * 7)" });
    const third = await client.run({ code: "exit 1", language: "bash" });
    expect([first, second, third].map((told) => textOf(told))).toEqual(["x\n/tmp\n", "42\n", ""]);
    expect([first, second, third].map((told) => last(told, "complete")["success"])).toEqual([
      true,
      true,
      false,
    ]);
    expect(client.messages.map(({ seq }) => seq)).toEqual(client.messages.map((_, index) => index));
  });

  test("while another is under way on the same connection only when that has ended", async () => {
    await using client = await commands();
    client.send({ type: "execute", command: "read line; echo $line", stdin_open: true });
    await client.upTo("started");
    client.send({ type: "execute", command: "echo never" });
    const [refusal] = (await client.upTo("error")).slice(-1);
    expect(refusal).toMatchObject({ code: "CONFLICT", refused: "execute" });
    client.send({ type: "stdin", data: "still here\n" });
    expect(textOf(await client.upTo("complete"))).toBe("still here\n");
  });
});

describe("output", () => {
  test("is never cut inside a character", async () => {
    await using client = await commands();
    const told = await client.run({
      command: String.raw`printf '\360\237'; sleep 0.05; printf '\220'; sleep 0.05; printf '\246 ok\n'; printf 'half \342\202'`,
    });
    expect(textOf(told)).toBe("🐦 ok\nhalf \ufffd");
    expect(told.filter(({ type }) => type === "stdout").map(({ data }) => data.includes("\ufffd"))).toContain(
      false,
    );
    const pieces = told.filter(({ type }) => type === "stdout");
    let offset = 0;
    for (const piece of pieces) {
      expect(piece.offset).toBe(offset);
      offset += piece.length;
    }
    expect(offset).toBe(8 + 7);
  });

  test("of any size arrives whole, in messages that a client library takes", async () => {
    await using client = await code();
    const told = await client.run({
      code: "import sys\nsys.stdout.write('\\x01' * 300000 + 'é' * 300000)",
    });
    expect(textOf(told)).toBe("\x01".repeat(300_000) + "é".repeat(300_000));
    expect(Math.max(...told.map((message) => JSON.stringify(message).length))).toBeLessThan(2 ** 20);
  });

  test("that is no text is told exactly when asked for in base64", async () => {
    await using client = await commands();
    const told = await client.run({ command: "head -c 200000 /dev/urandom | tee bytes", encoding: "base64" });
    const bytes = Buffer.concat(
      told.filter(({ type }) => type === "stdout").map(({ data }) => Buffer.from(data, "base64")),
    );
    const file = await Bun.file(`${daemon.workspace}/bytes`).bytes();
    expect(bytes.equals(file)).toBe(true);
  });
});

describe("a client", () => {
  test("signals and interrupts what runs, and is told why it ended", async () => {
    await using client = await commands();
    client.send({ command: "trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done" });
    await client.upTo("stdout");
    client.send({ type: "signal", signal: "HUP" });
    await until(() => textOf(client.messages) === "ready\nhup\n");
    client.send({ type: "interrupt" });
    const told = await client.upTo("complete");
    expect(last(told, "result")).toMatchObject({
      exit_code: 130,
      end: { cause: "signalled", signal: "SIGINT" },
    });
  });

  test("cancels what runs", async () => {
    await using client = await code();
    client.send({ type: "execute", code: "import time\nprint(1)\ntime.sleep(600)" });
    await client.upTo("stdout");
    client.send({ type: "cancel" });
    const told = await client.upTo("complete");
    expect(last(told, "result")).toMatchObject({ exit_code: 130, end: { cause: "cancelled" } });
    expect(last(told, "error")["error"]).toBe("cancelled (requested)");
  });

  test("is told of a timeout in the words of the published page", async () => {
    await using client = await code();
    const told = await client.run({ code: "sleep 60", language: "bash", timeout: 1 });
    expect(typesOf(told)).toEqual(["started", "error", "result", "complete"]);
    expect(last(told, "error")).toMatchObject({
      error: "Execution timeout after 1 second",
      code: "EXECUTION_TIMEOUT",
    });
    expect(last(told, "result")["exit_code"]).toBe(124);
  });

  test("gives input of any size, is told when it has been taken, and ends it", async () => {
    await using client = await commands();
    client.send({ command: "sleep 0.2; wc -c", stdin_open: true });
    const part = "0123456789".repeat(60_000);
    for (let i = 1; i <= 6; i++) client.send({ type: "stdin", data: part, ack: true });
    client.send({ type: "stdin_end" });
    const told = await client.upTo("complete");
    expect(textOf(told).trim()).toBe(String(6 * part.length));
    const accepted = told.filter(({ type }) => type === "stdin_ack").map((ack) => ack["accepted_bytes"]);
    expect(accepted).toEqual([1, 2, 3, 4, 5, 6].map((n) => n * part.length));
  });

  test("is told what was wrong with its message, and can go on", async () => {
    await using client = await code();
    client.socket.send("");
    client.socket.send("{broken");
    client.send({ type: "dance" });
    client.send({ type: "stdin", data: "x" });
    client.send({ type: "resume", run_id: "run_nobody" });
    client.send({ type: "execute", code: "1", cache: true });
    client.send({ type: "execute", code: "puts 1", language: "ruby" });
    client.send({ type: "ping" });
    const told = await client.upTo("pong");
    expect(told.map(({ type, code: word, refused }) => [type, word, refused])).toEqual([
      ["error", "INVALID_JSON", "message"],
      ["error", "INVALID_REQUEST", "dance"],
      ["error", "CONFLICT", "stdin"],
      ["error", "RESOURCE_NOT_FOUND", "resume"],
      ["error", "INVALID_REQUEST", "execute"],
      ["complete", undefined, undefined],
      ["error", "INVALID_REQUEST", "execute"],
      ["complete", undefined, undefined],
      ["pong", undefined, undefined],
    ]);
    expect(told[6]?.["error"]).toBe("Invalid language: ruby");
    expect(textOf(await client.run({ code: "print(1)" }))).toBe("1\n");
  });

  test("is told of input that is no base64, and its run goes on", async () => {
    await using client = await commands();
    client.send({ type: "execute", command: "cat", stdin_open: true });
    client.send({ type: "stdin", data: "!!!", encoding: "base64" });
    client.send({ type: "stdin", data: "aGk=", encoding: "base64" });
    client.send({ type: "stdin_end" });
    const told = await client.upTo("complete");
    expect(last(told, "error")).toMatchObject({ code: "INVALID_REQUEST", refused: "stdin" });
    expect(textOf(told)).toBe("hi");
  });

  test("that goes away takes its run with it", async () => {
    const client = await commands();
    client.send({ command: "echo $$; exec sleep 600" });
    await client.upTo("stdout");
    const pid = Number(textOf(client.messages));
    client.socket.terminate();
    await until(() => !isAlive(pid));
  });
});

describe("cells", () => {
  test("share a context on /stream/ipython, and tell results, displays, questions and errors", async () => {
    await using client = await SocketClient.open(daemon, "/stream/ipython");
    await client.run({ code: "a = 10" });
    const result = await client.run({ code: "print('printed')\na + 5" });
    expect(textOf(result)).toBe("printed\n");
    expect(last(result, "rich")).toMatchObject({ kind: "result", data: { "text/plain": "15" } });
    const shown = await client.run({ code: "from IPython.display import HTML\ndisplay(HTML('<b>x</b>'))" });
    expect(last(shown, "rich")).toMatchObject({ kind: "display", data: { "text/html": "<b>x</b>" } });
    client.send({ type: "execute", code: "print(input('name? '))", stdin_open: true });
    const [question] = (await client.upTo("input_request")).slice(-1);
    expect(question).toMatchObject({ prompt: "name? ", password: false });
    client.send({ type: "stdin", data: "me\n" });
    await until(() => textOf(client.messages).endsWith("me\n"));
    await until(() => client.messages.at(-1)?.type === "complete");
    const failed = await client.run({ code: "1 / 0" });
    expect(last(failed, "error")).toMatchObject({ name: "ZeroDivisionError", code: "EXECUTION_FAILED" });
    expect(last(failed, "complete")["success"]).toBe(false);
  });

  test("are interrupted without losing their context", async () => {
    await using client = await SocketClient.open(daemon, "/stream/ipython");
    client.send({ type: "execute", code: "b = 1\nprint('begun')\nimport time\ntime.sleep(600)" });
    await until(() => textOf(client.messages).includes("begun"));
    client.send({ type: "interrupt" });
    expect(last(await client.upTo("complete"), "error")["name"]).toBe("KeyboardInterrupt");
    expect(textOf(await client.run({ code: "print(b)" }))).toBe("1\n");
  });

  test("have a context of their own on /stream", async () => {
    await using client = await SocketClient.open(daemon, "/stream");
    const run = (code: string) => client.run({ code, workdir: "/tmp", env: { KEY: "value" } });
    const first = await run("import os\nc = 1\nos.environ['KEY'], os.getcwd()");
    expect(last(first, "rich")).toMatchObject({
      kind: "result",
      data: { "text/plain": "('value', '/tmp')" },
    });
    expect(last(await run("c"), "error")["name"]).toBe("NameError");
  });
});

describe("a run that its client may resume", () => {
  test("waits for the client, which reads on exactly where it stopped", async () => {
    const lost = await commands();
    lost.send({
      command: "for i in $(seq 1 2000); do echo line $i; [ $i = 1000 ] && read go; done; exit 5",
      stdin_open: true,
      resumable: true,
    });
    await until(() => textOf(lost.messages).includes("line 1000\n"));
    const before = lost.messages.filter(({ type }) => type === "stdout");
    lost.socket.terminate();
    const seen = before.slice(0, -1);
    const at = seen.reduce((sum, { length }) => sum + length, 0);
    await using client = await commands();
    client.send({ type: "resume", run_id: before[0]?.run_id, cursor: { stdout: at } });
    client.send({ type: "stdin", data: "go\n" });
    const told = await client.upTo("complete");
    const expected = Array.from({ length: 2000 }, (_, i) => `line ${i + 1}\n`).join("");
    expect(textOf(seen) + textOf(told)).toBe(expected);
    expect(last(told, "result")["exit_code"]).toBe(5);
  });

  test("can be told again after its end, and to several at a time", async () => {
    const first = await commands();
    const told = await first.run({ command: "echo out; sleep 0.1; echo err >&2", resumable: true });
    await first[Symbol.asyncDispose]();
    const runId = told[0]?.run_id;
    const again = await Promise.all(
      [1, 2, 3].map(async () => {
        await using client = await code();
        client.send({ type: "resume", run_id: runId });
        return await client.upTo("complete");
      }),
    );
    const essence = (messages: StreamMessage[]) => messages.map((message) => ({ ...message, timestamp: "" }));
    for (const one of again) expect(essence(one)).toEqual(essence(told));
  });

  test("also runs in the background can be watched, and live on when nobody does", async () => {
    const { body } = await daemon.post("/commands/background", {
      command: "read a; echo got $a",
      stdin_open: true,
    });
    const watcher = await commands();
    watcher.send({ type: "resume", run_id: body["process_id"] });
    await watcher.upTo("started");
    await watcher[Symbol.asyncDispose]();
    await using client = await commands();
    client.send({ type: "resume", run_id: body["process_id"] });
    client.send({ type: "stdin", data: "it\n" });
    expect(textOf(await client.upTo("complete"))).toBe("got it\n");
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
