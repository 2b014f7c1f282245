import { describe, expect, test } from "bun:test";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import type { TerminalRequest } from "../../../src/engine/terminal/terminals.ts";
import type { TerminalMode, TerminalSession } from "../../../src/engine/terminal/session.ts";
import { openEngine, refusal, until, type TestEngine } from "../../support/engine.ts";
import { hold, look, type } from "../../support/terminal.ts";

const SHELL = ["bash", "--norc", "--noprofile"] as const;

function script(text: string): TerminalRequest["argv"] {
  return ["bash", "--norc", "--noprofile", "-c", text];
}

async function start(
  { engine }: TestEngine,
  request: Partial<TerminalRequest> = {},
  mode: TerminalMode = "terminal",
): Promise<TerminalSession> {
  const session = engine.terminals.create({ argv: [...SHELL], ...request });
  await session.start(mode);
  return session;
}

describe.each(["auto", "process_group"] as const)("with containment %s", (containment) => {
  test("a program has a terminal that controls its session, of the size asked for", async () => {
    await using test = await openEngine({ containment });
    const session = await start(test, {
      argv: script(
        'tty; stty size; stty -a | grep -o "[-]*iutf8"; ps -o tpgid= -p $$; echo "$$ $TERM $LANG"; tty </dev/tty; pwd',
      ),
      size: { cols: 132, rows: 43 },
    });
    const reader = hold(session);
    expect(await reader.done).toEqual({ type: "exit", end: { cause: "exited", code: 0 } });
    const [tty, size, editing, foreground, own, controlling, place] = reader.text.trim().split("\r\n");
    expect(tty).toMatch(/^\/dev\/pts\/\d+$/);
    expect([size, editing, controlling, place]).toEqual(["43 132", "iutf8", "/dev/tty", test.workspace]);
    expect(own).toBe(`${foreground?.trim()} xterm-256color ${process.env["LANG"] ?? "C.UTF-8"}`);
  });

  test("Ctrl-C ends what is in the foreground and leaves the shell", async () => {
    await using test = await openEngine({ containment });
    const session = await start(test);
    const reader = hold(session);
    await reader.said(/[#$] $/);
    await type(session, "sleep 1000\r");
    await until(() => isForeground(session, "sleep"));
    await type(session, "\u0003");
    // What is typed while a shell takes its interrupt is thrown away by the shell.
    await reader.said(/[#$] sleep 1000[^]*[#$] $/);
    await type(session, "echo al''ive $?\r");
    await reader.said(/alive 130/);
    await type(session, "exit 7\r");
    expect(await reader.done).toEqual({ type: "exit", end: { cause: "exited", code: 7 } });
  });

  test("a signal goes where the keyboard would send it, and SIGKILL to everything", async () => {
    await using test = await openEngine({ containment });
    const session = await start(test);
    const reader = hold(session);
    await reader.said(/[#$] $/);
    await type(session, "sleep 1000\r");
    await until(() => isForeground(session, "sleep"));
    session.signal("SIGINT");
    await reader.said(/[#$] sleep 1000[^]*[#$] $/);
    await type(session, "echo al''ive $?\r");
    await reader.said(/alive 130/);
    session.signal("SIGKILL");
    expect(await reader.done).toEqual({ type: "exit", end: { cause: "signalled", signal: "SIGKILL" } });
  });

  test("everything printed is delivered before the end, which comes once, whoever holds the terminal on", async () => {
    await using test = await openEngine({ containment });
    const wanted = Array.from({ length: 3000 }, (_, i) => `${i + 1}\r\n`).join("");
    const runs = Array.from({ length: 12 }, async () => {
      const session = await start(test, { argv: script("trap '' HUP; (sleep 1000 &); seq 3000; exit 3") });
      const readers = [hold(session), look(session)];
      const ends = await Promise.all(readers.map((reader) => reader.done));
      expect(readers.map(({ text }) => text)).toEqual([wanted, wanted]);
      expect(ends).toEqual(readers.map(() => ({ type: "exit", end: { cause: "exited", code: 3 } })));
      expect(readers.flatMap(({ events }) => events)).toHaveLength(2);
    });
    await Promise.all(runs);
  });

  test("closing a session ends its shell and what it started, at once", async () => {
    await using test = await openEngine({ containment, killGraceMs: 60_000 });
    const session = await start(test);
    const reader = hold(session);
    await type(session, "sleep 1000 & echo st''arted\r");
    await reader.said(/started/);
    await test.engine.terminals.close(session);
    expect((await reader.done)?.type).toBe("exit");
    expect(test.engine.terminals.list()).toEqual([]);
    expect((await refusal(session.start("terminal"))).code).toBe("gone");
  });
});

test("a new size is told to the program", async () => {
  await using test = await openEngine();
  const session = await start(test, {
    argv: script('trap "stty size" WINCH; echo rea""dy; while read -r line; do echo "$line"; done'),
  });
  const reader = hold(session);
  await reader.said(/ready/);
  session.resize({ cols: 101, rows: 51 });
  // The shell runs its trap when it has read a line.
  await type(session, "\r");
  await reader.said(/51 101/);
  expect(session.size).toEqual({ cols: 101, rows: 51 });
});

test("a terminal belongs to the user of its program, who may open it by name", async () => {
  if (process.getuid?.() !== 0) return;
  await using test = await openEngine({ runAs: "nobody" });
  const session = await start(test, {
    cwd: "/",
    argv: ["sh", "-c", 'id -un; stat -c %U "$(tty)"; echo by name >"$(tty)"; echo err >/dev/stderr'],
  });
  const reader = hold(session);
  await reader.done;
  expect(reader.text).toBe("nobody\r\nnobody\r\nby name\r\nerr\r\n");
});

test("pipes keep the streams apart, with one offset over both", async () => {
  await using test = await openEngine();
  const session = await start(
    test,
    { argv: script("tty; read -r word; echo out $word; echo err >&2; read -r word; echo last") },
    "pipes",
  );
  const attachment = session.attach("holder", { since: 0, takeover: false });
  const got: unknown[] = [];
  let typed = 0;
  for await (const event of attachment.events()) {
    if (event.type !== "output") {
      got.push(event);
      continue;
    }
    got.push([event.offset, event.stream, Buffer.from(event.bytes).toString()]);
    if (got.length === 1 || event.stream === "stderr") await type(session, `word${++typed}\n`);
  }
  expect(got).toEqual([
    [0, "stdout", "not a tty\n"],
    [10, "stdout", "out word1\n"],
    [20, "stderr", "err\n"],
    [24, "stdout", "last\n"],
    { type: "exit", end: { cause: "exited", code: 0 } },
  ]);
});

test("a reader that comes back at any offset gets the very bytes it would have got", async () => {
  await using test = await openEngine();
  const session = await start(test, {
    argv: script('for i in $(seq 200); do printf "%s ünïcödé ✓\\n" $i; done'),
  });
  const whole = hold(session);
  await whole.done;
  for (let since = 0; since <= whole.bytes.byteLength; since += 97) {
    const again = look(session, since);
    await again.done;
    expect(again.bytes.equals(whole.bytes.subarray(since))).toBe(true);
  }
});

test("readers that attach while it prints lose nothing and get nothing twice", async () => {
  await using test = await openEngine();
  const session = await start(test, { argv: script("seq 100000") });
  const whole = hold(session);
  const others = [];
  for (let i = 0; i < 20; i++) {
    const since = session.outputOffset;
    others.push({ since, reader: look(session, since) });
    await new Promise((resume) => setImmediate(resume));
  }
  await whole.done;
  for (const { since, reader } of others) {
    await reader.done;
    expect(reader.bytes.equals(whole.bytes.subarray(since))).toBe(true);
  }
  expect(whole.bytes.byteLength).toBe(session.outputOffset);
});

test("one holds, another may take over, any number look on", async () => {
  await using test = await openEngine();
  const session = await start(test);
  const first = hold(session);
  const viewers = [look(session), look(session), look(session)];
  const held = await refusal(
    Promise.resolve().then(() => session.attach("holder", { since: 0, takeover: false })),
  );
  expect([held.code, held.details]).toEqual(["conflict", { held: true }]);
  const second = hold(session, 0, true);
  expect(await first.done).toEqual({ type: "taken_over" });
  await type(session, "echo fo''r all; exit\r");
  for (const reader of [second, ...viewers]) {
    expect((await reader.done)?.type).toBe("exit");
    expect(reader.text).toContain("for all");
  }
  expect([session.isHeld, session.viewers]).toEqual([true, 3]);
  [second, ...viewers].forEach(({ attachment }) => attachment.detach("left"));
  expect([session.isHeld, session.viewers]).toEqual([false, 0]);
});

test("a program that has ended can be started again, and offsets go on", async () => {
  await using test = await openEngine();
  const session = await start(test, { argv: script("echo life; exit 4") });
  const first = hold(session);
  await first.done;
  first.attachment.detach("left");
  expect([session.isRunning, session.end]).toEqual([false, { cause: "exited", code: 4 }]);
  await session.start("terminal");
  const second = hold(session, 3);
  await second.done;
  expect(second.text).toBe("e\r\nlife\r\n");
});

test("a program that nobody reads prints 1 GiB in flat memory, and the newest is kept", async () => {
  await using test = await openEngine();
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  const session = await start(test, { argv: script("stty raw; head -c 1073741824 /dev/zero; printf end") });
  let most = 0;
  await until(
    () => {
      most = Math.max(most, process.memoryUsage().rss - before);
      return !session.isRunning;
    },
    { deadlineMs: 55_000 },
  );
  expect(session.outputOffset).toBe(2 ** 30 + 3);
  expect(most).toBeLessThan(64 * 2 ** 20);
  const late = hold(session);
  expect((await late.done)?.type).toBe("exit");
  expect(late.events[0]).toEqual({ type: "skipped", offset: 0, length: 2 ** 30 + 3 - 2 ** 20 });
  expect([late.bytes.byteLength, late.text.slice(-3)]).toEqual([2 ** 20, "end"]);
}, 60_000);

test("a program keeps the pace of its holder, and loses nothing to a slow one", async () => {
  await using test = await openEngine({ terminalReplayBytes: 256 * 1024 });
  const session = await start(test, { argv: script("stty raw; seq 200000") });
  const attachment = session.attach("holder", { since: 0, takeover: false });
  let next = 0;
  for await (const event of attachment.events()) {
    if (event.type === "exit") break;
    expect(event.type === "output" && event.offset === next).toBe(true);
    next = attachment.offset + (event.type === "output" ? event.bytes.byteLength : 0);
    await new Promise((resume) => setImmediate(resume));
  }
  expect(next).toBe(session.outputOffset);
});

test("a holder that has stopped reading holds nobody up, and is told what it missed", async () => {
  await using test = await openEngine({ terminalReplayBytes: 256 * 1024 });
  const session = await start(test, { argv: script("stty raw; seq 200000; echo end") });
  const attachment = session.attach("holder", { since: 0, takeover: false });
  const viewer = look(session);
  await viewer.done;
  const late: string[] = [];
  for await (const event of attachment.events()) late.push(event.type);
  expect([late[0], late.at(-1)]).toEqual(["skipped", "exit"]);
});

test("more input than a terminal takes waits for the program and arrives whole", async () => {
  await using test = await openEngine();
  const size = 3 * 2 ** 20;
  const session = await start(test, { argv: script(`stty raw -echo; echo go; head -c ${size} | sha256sum`) });
  const reader = hold(session);
  await reader.said(/go/);
  const bytes = new Uint8Array(size).map((_, i) => (i * 31 + (i >> 8)) & 0xff);
  await type(session, bytes);
  const sum = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  await reader.said(new RegExp(sum));
});

test("typing after the end, and attaching before the start, are refused", async () => {
  await using test = await openEngine();
  const session = test.engine.terminals.create({ argv: script("exit") });
  const early = await refusal(
    Promise.resolve().then(() => session.attach("viewer", { since: 0, takeover: false })),
  );
  await session.start("terminal");
  await hold(session).done;
  expect([early.code, (await refusal(type(session, "x"))).code]).toEqual(["conflict", "conflict"]);
});

test("a program that is not there is told, and so is a directory", async () => {
  await using test = await openEngine();
  const absent = await refusal(start(test, { argv: ["no-such-program"] }));
  expect([absent.code, absent.message]).toEqual([
    "invalid",
    "Cannot start a terminal session: no-such-program: not found",
  ]);
  expect((await refusal(start(test, { cwd: "/no/such/place" }))).code).toBe("invalid");
});

test("sessions have names of their own, and there are only so many", async () => {
  await using test = await openEngine({ maxTerminals: 2 });
  const { terminals } = test.engine;
  const session = terminals.create({ argv: script("exit"), name: "build" });
  expect([terminals.find("build"), terminals.find(session.id)]).toEqual([session, session]);
  const code = (request: Partial<TerminalRequest>) =>
    refusal(Promise.resolve().then(() => terminals.create({ argv: [...SHELL], ...request }))).then(
      (error) => error.code,
    );
  expect([await code({ name: "build" }), await code({ name: "no/name" })]).toEqual(["exists", "invalid"]);
  const second = terminals.create({ argv: script("exit") });
  expect(await code({})).toBe("busy");
  await session.start("terminal");
  await until(() => session.end);
  expect(terminals.list()).toEqual([session, second]);
  const third = terminals.create({ argv: [...SHELL] });
  expect(terminals.list()).toEqual([second, third]);
});

test("a session that nobody uses is closed after a time, one that somebody looks at is not", async () => {
  await using test = await openEngine({ terminalIdleMs: 200 });
  const [idle, watched] = [await start(test), await start(test)];
  const reader = look(watched);
  await until(() => !test.engine.terminals.list().includes(idle));
  expect(test.engine.terminals.list()).toEqual([watched]);
  expect(watched.isRunning).toBe(true);
  reader.attachment.detach("left");
  await until(() => test.engine.terminals.list().length === 0);
});

test("a recording plays what was shown, with sizes, and not what was typed", async () => {
  await using test = await openEngine();
  const session = await start(test, {
    argv: script(
      'stty -echo; printf "? "; read -r secret; stty echo; printf "h\\xc3"; sleep 0.05; printf "\\xa9\\n"; read -r _',
    ),
  });
  const recording = session.startRecording();
  expect((await refusal(Promise.resolve().then(() => session.startRecording()))).code).toBe("conflict");
  const reader = hold(session);
  await reader.said(/\? /);
  await type(session, "hunter2\r");
  await reader.said(/hé/);
  session.resize({ cols: 90, rows: 30 });
  await type(session, "\r");
  await reader.done;
  recording.stop();
  const lines = (await text(recording.read()))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(lines[0]).toMatchObject({ version: 2, width: 80, height: 24, env: { TERM: "xterm-256color" } });
  const events = lines.slice(1) as [number, string, string][];
  const shown = events.filter(([, kind]) => kind === "o").map(([, , data]) => data);
  expect(shown.join("")).toBe("? hé\r\n\r\n");
  expect(shown.every((data) => !data.includes("\uFFFD"))).toBe(true);
  expect(events.some(([, kind, data]) => kind === "r" && data === "90x30")).toBe(true);
  const times = events.map(([at]) => at);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test("a recording ends at its bound, with a mark", async () => {
  await using test = await openEngine({ terminalRecordingBytes: 20_000 });
  const session = await start(test, { argv: script("read -r _; seq 100000") });
  const recording = session.startRecording();
  const reader = hold(session);
  await type(session, "\r");
  await reader.done;
  const lines = (await text(recording.read()))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown[]);
  expect([recording.state, recording.bytes <= 20_000]).toEqual(["full", true]);
  expect(lines.at(-1)?.slice(1)).toEqual(["m", "recording full"]);
});

test("no descriptor is left behind", async () => {
  await using test = await openEngine();
  const session = test.engine.terminals.create({ argv: script("echo hi") });
  const terminals = () => openFiles().filter((path) => /ptmx|pts/.test(path)).length;
  const before = terminals();
  for (let i = 0; i < 20; i++) {
    await session.start("terminal");
    await until(() => !session.isRunning);
  }
  await until(() => terminals() === before);
});

function openFiles(): string[] {
  const own = `/proc/${process.pid}/fd`;
  return Array.from(new Bun.Glob("*").scanSync({ cwd: own, onlyFiles: false })).flatMap((fd) => {
    try {
      return [readlinkSync(`${own}/${fd}`)];
    } catch {
      return [];
    }
  });
}

async function text(parts: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(parts)).toString();
}

/** Whether a program of this name is what the terminal of the session has in the foreground. */
function isForeground({ pid }: TerminalSession, name: string): boolean {
  const stat = statOf(pid ?? 0);
  const foreground = Number(stat[5]);
  return (
    foreground > 0 &&
    foreground !== pid &&
    statSync(`/proc/${foreground}`, { throwIfNoEntry: false }) !== undefined &&
    commOf(foreground) === name
  );
}

function statOf(pid: number): string[] {
  const line = readProc(pid);
  return line.slice(line.lastIndexOf(")") + 2).split(" ");
}

function commOf(pid: number): string {
  const line = readProc(pid);
  return line.slice(line.indexOf("(") + 1, line.lastIndexOf(")"));
}

function readProc(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return "";
  }
}
