import { describe, expect, test } from "bun:test";
import type { ShellRun } from "../../../src/engine/shell/shell-run.ts";
import type { ShellSession } from "../../../src/engine/shell/session.ts";
import type { RunEnd, Stream } from "../../../src/engine/run.ts";
import { listProcesses } from "../../../src/engine/process/proc.ts";
import { openEngine, until, type TestEngine } from "../../support/engine.ts";

async function text(run: ShellRun, stream: Stream = "stdout"): Promise<string> {
  return Buffer.from((await run.journal.tail(stream, Number.MAX_SAFE_INTEGER)).bytes).toString();
}

async function say(session: ShellSession, command: string, more: { cwd?: string; timeoutMs?: number } = {}) {
  await using run = session.run({ text: command, ...more });
  const { end } = await run.outcome;
  return { end, stdout: await text(run), stderr: await text(run, "stderr") };
}

function exited(code: number): RunEnd {
  return { cause: "exited", code };
}

async function open(engine: TestEngine, env: Record<string, string> = {}): Promise<ShellSession> {
  return engine.engine.shells.create({ cwd: engine.workspace, env });
}

describe.each(["auto", "process_group"] as const)("with containment %s", (containment) => {
  test("what a command changes in the shell, the next one finds", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine, { GIVEN: "from outside" });
    const first = await say(
      session,
      [
        "cd /; plain=here; export SEEN=too; list=(a 'b c')",
        "greet() { echo \"hello $1\"; }; alias twice='echo two; echo two'",
        "set -o pipefail; shopt -s nullglob; umask 077; trap 'echo bye' USR1",
        'echo "$GIVEN"',
      ].join("\n"),
    );
    expect(first).toEqual({ end: exited(0), stdout: "from outside\n", stderr: "" });
    const { stdout } = await say(
      session,
      [
        'pwd; echo "$plain $SEEN ${list[1]}"; greet you; twice; umask',
        "false | true; echo $?; echo /nothing/like/*; kill -USR1 $$",
      ].join("\n"),
    );
    expect(stdout).toBe("/\nhere too b c\nhello you\ntwo\ntwo\n0077\n1\n\nbye\n");
  });

  test("a command's stdout and stderr are apart, and its stdin is empty", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    expect(await say(session, "echo out; echo err >&2; cat; read -r line; echo read=$?")).toEqual({
      end: exited(0),
      stdout: "out\nread=1\n",
      stderr: "err\n",
    });
  });

  test("programs inherit nothing of the session but their three streams", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    const { stdout } = await say(session, "ls /proc/self/fd | sort -n | tr '\\n' ' '");
    // 3 is the directory that ls reads.
    expect(stdout).toBe("0 1 2 3 ");
  });

  test("exit ends the command with its status, and what it changed before stays", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    const pid = session.run({ text: "kept=yes" });
    await pid.outcome;
    for (const [command, code] of [
      ["cd /; exit 7; echo not here", 7],
      ["leave() { last=set; exit 300; echo not here; }; leave; echo not here", 300 & 255],
      ["(exit 4); echo sub=$?; false; exit", 1],
      ["trap 'echo mine' INT; exit 5", 5],
      ["return 6", 6],
    ] as const) {
      const { end, stdout, stderr } = await say(session, command);
      expect({ end, stderr }).toEqual({ end: exited(code), stderr: "" });
      expect(stdout).not.toContain("not here");
    }
    expect((await say(session, "echo $kept $last $PWD; trap -p INT")).stdout).toBe(
      "yes set /\ntrap -- 'echo mine' SIGINT\n",
    );
    expect(session.replacements).toBe(0);
  });

  test("a limit that the shell itself could not live with is refused, and holds for what it runs", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    const refused = await say(session, "ulimit -n 10");
    expect(refused).toMatchObject({ end: exited(1), stdout: "" });
    expect(refused.stderr).toMatch(/^bash: ulimit: .* 64 open files.*\n$/);
    expect((await say(session, "ulimit -Sn 63; echo $?")).stdout).toBe("1\n");
    expect((await say(session, "( ulimit -n 10; ulimit -n )")).stdout).toBe("10\n");
    expect((await say(session, "ulimit -Sn 64; ulimit -Sn; ulimit -c 0 -n")).stdout).toMatch(
      /^64\n[^]*64\n$/,
    );
    expect((await say(session, "ulimit -Sn; sh -c 'ulimit -n'; echo err >&2")).stdout).toBe("64\n64\n");
    expect((await say(session, "ulimit --nonsense")).stderr).toContain("invalid option");
    expect(session.replacements).toBe(0);
  });

  test("a syntax error is told with its line, and without a path of the daemon's", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    const { end, stderr } = await say(session, "echo one\nif then");
    expect(end).toEqual(exited(2));
    expect(stderr).toMatch(/^bash: eval: line 2: syntax error near unexpected token [`']then'\n/);
    expect((await say(session, "echo 'it is")).stderr).toMatch(/^bash: eval: line 1: unexpected EOF/);
    expect(stderr).not.toContain(engine.temporary);
  });

  test("traps see the commands of the user, each once, and nothing of the session's", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    await say(session, "trap 'echo err $BASH_COMMAND' ERR");
    expect((await say(session, "false; false; echo out")).stdout).toBe("err false\nerr false\nout\n");
    expect((await say(session, "false")).stdout).toBe("err false\n");
    await say(session, "trap - ERR; set -T; trap 'echo at $BASH_COMMAND' DEBUG; trap 'echo ret' RETURN");
    expect((await say(session, "true; echo out")).stdout).toBe("at true\nat echo out\nout\n");
  });

  test("a shell that is lost is replaced by one that knows what it knew", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    await say(session, "cd /tmp; here=1; f() { echo f; }; alias g='echo g'; arr=(1 2)");
    expect((await say(session, "exec sh -c 'exit 9'")).end).toEqual(exited(9));
    expect((await say(session, "pwd; echo $here ${arr[1]}; f; g")).stdout).toBe("/tmp\n1 2\nf\ng\n");
    expect((await say(session, "kill -KILL $$")).end).toEqual({ cause: "signalled", signal: "SIGKILL" });
    expect((await say(session, "pwd; echo $here")).stdout).toBe("/tmp\n1\n");
    expect(session.replacements).toBe(2);
  });

  test("set -e ends a command where it fails, with what it had set by then", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    expect(await say(session, "set -e; late=1; false; echo not here")).toEqual({
      end: exited(1),
      stdout: "",
      stderr: "",
    });
    expect((await say(session, "echo $late; [[ $- == *e* ]] && echo still")).stdout).toBe("1\nstill\n");
  });

  test("a syntax error is told and ends only its command", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    const { end, stderr } = await say(session, "if then fi (");
    expect(end).toEqual(exited(2));
    expect(stderr).toContain("syntax error");
    expect((await say(session, "echo fine")).stdout).toBe("fine\n");
    expect(session.replacements).toBe(0);
  });

  test("a command with a NUL byte, which bash would pass over, is refused", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    expect(() => session.run({ text: "echo a\0b" })).toThrow("Cannot run a command with a NUL byte");
    expect((await say(session, "echo next")).stdout).toBe("next\n");
  });

  test("a command is interrupted and its session goes on", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    for (const busy of [
      "sleep 1000",
      "while :; do :; done",
      "sleep 1000; echo not here",
      "wait_ () { sleep 999; }; wait_",
    ]) {
      const run = session.run({ text: `mark=set; echo up; ${busy}` });
      await until(async () => (await text(run)).includes("up"));
      await run.cancel("requested");
      expect((await run.outcome).end).toEqual({ cause: "cancelled", reason: "requested" });
      expect(await text(run)).toBe("up\n");
      await run[Symbol.asyncDispose]();
    }
    expect((await say(session, "echo $mark")).stdout).toBe("set\n");
    expect(session.replacements).toBe(0);
  });

  test("a command that ignores every polite signal is killed, background jobs of earlier ones live on", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    await say(session, "sleep 1000 & job=$!");
    const run = session.run({
      text: `bash -c 'trap "" INT TERM HUP; echo up; while :; do sleep 0.05; done'; echo "after $?"`,
      timeoutMs: 400,
    });
    expect((await run.outcome).end).toEqual({ cause: "timed_out", afterMs: 400 });
    await run[Symbol.asyncDispose]();
    expect((await say(session, "kill -0 $job && echo lives")).stdout).toBe("lives\n");
    expect(session.replacements).toBe(0);
  });

  test("a shell that ignores interrupts itself is replaced", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    await say(session, "before=1");
    const run = session.run({ text: "trap '' INT; while :; do :; done", timeoutMs: 200 });
    expect((await run.outcome).end.cause).toBe("timed_out");
    await run[Symbol.asyncDispose]();
    expect((await say(session, "echo $before")).stdout).toBe("1\n");
    expect(session.replacements).toBe(1);
  });

  test("a background child that holds stdout open does not hold the answer", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    expect(await say(session, "sleep 1000 & echo done")).toEqual({
      end: exited(0),
      stdout: "done\n",
      stderr: "",
    });
  });

  test("commands take turns, and one that waits can be taken back", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    const first = session.run({ text: "mkfifo gate; cat gate; echo first >> order" });
    const second = session.run({ text: "echo second >> order" });
    const third = session.run({ text: "echo third >> order" });
    await second.cancel("requested");
    const opener = await engine.sh("until [ -p gate ]; do sleep 0.01; done; echo go > gate");
    await Promise.all([first.outcome, third.outcome, opener.outcome]);
    expect((await say(session, "cat order")).stdout).toBe("first\nthird\n");
    await Promise.all([first, second, third, opener].map((run) => run[Symbol.asyncDispose]()));
  });

  test("a session runs where it is told, and stays there", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    expect((await say(session, "pwd", { cwd: "/usr" })).stdout).toBe("/usr\n");
    expect((await say(session, "pwd")).stdout).toBe("/usr\n");
  });

  test("closing a session ends everything in it", async () => {
    await using engine = await openEngine({ containment });
    const session = await open(engine);
    await say(session, "setsid sleep 1000 & sleep 1000 &");
    const { stdout } = await say(session, "echo $$");
    expect(await engine.engine.shells.close(session.id)).toBe(true);
    const pid = Number(stdout);
    const isAlive = ({ state }: { state: string }) => state !== "Z" && state !== "X";
    await until(
      () => !listProcesses().some((one) => isAlive(one) && (one.pid === pid || one.session === pid)),
    );
    expect(() => session.run({ text: "true" })).toThrow("it is closed");
    expect(await engine.engine.shells.close(session.id)).toBe(false);
  });

  test("a session that nobody uses is closed", async () => {
    await using engine = await openEngine({ containment, sessionIdleMs: 50 });
    const session = await open(engine);
    await until(() => engine.engine.shells.get(session.id) === undefined);
  });

  test("there are only so many sessions", async () => {
    await using engine = await openEngine({ containment, maxSessions: 1 });
    await open(engine);
    expect(open(engine)).rejects.toThrow("1 are open, which is the limit");
  });
});
