import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { RunEvent } from "../../../src/engine/run.ts";
import { refusal, until } from "../../support/engine.ts";
import { execute, only, openPython, told } from "../../support/kernels.ts";
import { randomNumbers } from "../../support/random.ts";

setDefaultTimeout(60_000);

/** An event without the bytes' own identity, so that two tellings can be compared. */
const flat = (event: RunEvent) =>
  event.type === "output" ? `${event.stream}@${event.offset} ${Buffer.from(event.bytes).toString()}` : event;

describe("the events of a run", () => {
  test("are told in order, displays between the lines around them", async () => {
    await using lab = await openPython();
    const code = `
import sys
from IPython.display import display, clear_output, HTML
print("one"); display(HTML("<b>two</b>")); print("three", flush=True)
print("four", file=sys.stderr, flush=True)
handle = display("five", display_id="d"); handle.update("six")
clear_output(wait=True); print("seven")`;
    const done = await execute(lab.context, code);
    const shown = done.events.map((event) =>
      event.type === "output" ? Buffer.from(event.bytes).toString() : event,
    );
    expect(shown.slice(1, -1)).toEqual([
      "one\n",
      {
        type: "display",
        data: { "text/html": "<b>two</b>", "text/plain": "<IPython.core.display.HTML object>" },
        displayId: undefined,
        index: 0,
      },
      "three\n",
      "four\n",
      { type: "display", data: { "text/plain": "'five'" }, displayId: "d", index: 1 },
      { type: "display_update", data: { "text/plain": "'six'" }, displayId: "d", index: 2 },
      { type: "clear", wait: true, index: 3 },
      "seven\n",
    ]);
  });

  test("tell text that is no Unicode, in output and in errors, with marks in its place", async () => {
    await using lab = await openPython();
    const bytes = await execute(lab.context, "print(b'a\\xffb'.decode(errors='surrogateescape'))");
    expect(bytes.stdout).toBe("a\u{fffd}b\n");
    const half = await execute(lab.context, "print('a\\ud800b')");
    expect([half.stdout, half.stderr]).toEqual(["a\u{fffd}b\n", ""]);
    for (const character of ["\\udcff", "\\ud800"]) {
      const failed = await execute(lab.context, `raise ValueError('a${character}b')`);
      expect(only(failed, "failed")).toMatchObject([{ name: "ValueError", message: "a\u{fffd}b" }]);
    }
  });

  test("are told again from any place, exactly", async () => {
    await using lab = await openPython();
    const code = "for i in range(40): print('line', i, flush=True); display(i)\n1/0";
    const run = await lab.context.execute({ code });
    await run.outcome;
    const all: RunEvent[] = [];
    for await (const event of run.events()) all.push(event);
    const random = randomNumbers(1);
    for (let i = 0; i < 50; i++) {
      const cut = 1 + random(all.length - 1);
      const seen = all.slice(0, cut);
      const cursor = { stdout: 0, stderr: 0, rich: 0 };
      for (const event of seen) {
        if (event.type === "output") cursor[event.stream] = event.offset + event.bytes.byteLength;
        else if ("index" in event) cursor.rich = event.index + 1;
      }
      const rest: RunEvent[] = [];
      for await (const event of run.events(cursor)) rest.push(event);
      expect(rest.slice(1).map(flat)).toEqual(all.slice(cut).map(flat));
    }
  });

  test("reach every reader as they happen, each at its own pace", async () => {
    await using lab = await openPython();
    const code = "for i in range(3): print(input('? ')); display(i)";
    const run = await lab.context.execute({ code, keepStdinOpen: true });
    const read = async () => {
      const types: string[] = [];
      for await (const event of run.events()) {
        types.push(event.type);
        // Whoever comes first answers; the others are told that nothing is asked any more.
        if (event.type === "input_request") await refusalOrNothing(() => run.answer("line"));
      }
      return types;
    };
    const [one, two] = await Promise.all([read(), read()]);
    expect(one).toEqual(two);
    expect(one.filter((type) => type === "display")).toHaveLength(3);
  });

  test("bring all of a large output, also of many small displays", async () => {
    await using lab = await openPython();
    const text = await execute(lab.context, "for i in range(300_000): print('0123456789' * 3)");
    expect(text.stdout.length).toBe(300_000 * 31);
    const shown = await execute(lab.context, "for i in range(3000): display(i)");
    expect(only(shown, "display").map(({ index }) => index)).toEqual(
      Array.from({ length: 3000 }, (_, i) => i),
    );
  });

  test("mark what was too large to be shown", async () => {
    await using lab = await openPython({}, { maxDisplayBytes: 4096 });
    const code =
      "from IPython.display import display\ndisplay({'text/plain': 'é' * 3000, 'text/html': 'x' * 5000, 'image/svg+xml': '<svg/>'}, raw=True)";
    const [display] = only(await execute(lab.context, code), "display");
    expect(display?.data["image/svg+xml"]).toBe("<svg/>");
    expect(display?.data["text/html"]).toBeUndefined();
    expect(display?.data["text/plain"]).toEndWith(
      "é\n[4096 of 6000 bytes shown]\n[text/html left out: 5000 bytes, more than 4096]",
    );
    expect(display?.data["application/vnd.sanderling.omitted+json"]).toEqual({
      "text/plain": 6000,
      "text/html": 5000,
    });
    // More than a whole message may have.
    const huge = await execute(lab.context, "display({'text/plain': 'x' * 40_000}, raw=True)\nprint('on')");
    expect(only(huge, "display")[0]?.data["text/plain"]).toMatch(/^\[display_data of \d+ bytes left out/);
    expect(huge).toMatchObject({ stdout: "on\n", end: { cause: "exited", code: 0 } });
  });

  test("after the end are kept for whoever still holds the run, but are no part of it", async () => {
    await using lab = await openPython();
    const code = `
import asyncio
go = asyncio.Event()
async def later():
    await go.wait()
    print("late", flush=True)
task = asyncio.create_task(later())`;
    const run = await lab.context.execute({ code });
    expect((await run.outcome).totals.stdout).toBe(0);
    expect((await execute(lab.context, "go.set()")).stdout).toBe("");
    await until(() => run.journal.totals.stdout > 0);
    expect((await told(run)).stdout).toBe("");
  });

  test("have the output of programs that the code starts, before the end", async () => {
    await using lab = await openPython();
    // A cell each: magics and descriptors leave the kernel by two ways, of which either may be faster.
    const magic = await execute(lab.context, "!echo magic");
    expect(magic.stdout.replaceAll("\r", "")).toContain("magic\n");
    const { stdout, stderr } = await execute(lab.context, "import os; os.system('echo out; echo err >&2')");
    expect({ stdout, stderr }).toEqual({ stdout: "out\n", stderr: "err\n" });
  });

  test("have what a pager would show", async () => {
    await using lab = await openPython();
    const [display] = only(await execute(lab.context, "len?"), "display");
    expect(display?.data["text/plain"]).toContain("Return the number of items");
  });
});

describe("input", () => {
  test("comes line by line from what was given, then ends", async () => {
    await using lab = await openPython();
    const code = "print([input(), input('x'), input()])\ninput()";
    const done = await execute(lab.context, code, { stdin: "one\r\n\nthree" });
    expect(done.stdout).toBe("['one', '', 'three']\n");
    expect(only(done, "failed")).toMatchObject([{ name: "EOFError" }]);
  });

  test("fails at once where there is none", async () => {
    await using lab = await openPython();
    const done = await execute(lab.context, "input()");
    expect(only(done, "failed")).toMatchObject([{ name: "StdinNotImplementedError" }]);
  });

  test("is asked for where it may come later, after the lines that were given", async () => {
    await using lab = await openPython();
    const code = "import getpass\nprint(input('a'), input('b'), getpass.getpass('c'))";
    const run = await lab.context.execute({ code, stdin: "given\n", keepStdinOpen: true });
    expect(await refusal(Promise.resolve().then(() => run.answer("early")))).toMatchObject({
      code: "conflict",
    });
    const asked: unknown[] = [];
    for await (const event of run.events()) {
      if (event.type !== "input_request") continue;
      asked.push([event.prompt, event.isPassword]);
      run.answer(`answer ${asked.length}\n`);
    }
    expect(asked).toEqual([
      ["b", false],
      ["c", true],
    ]);
    expect((await told(run)).stdout).toBe("given answer 1 answer 2\n");
  });

  test("that never comes does not keep an interrupt from ending the run", async () => {
    await using lab = await openPython();
    const run = await lab.context.execute({ code: "input('?')", keepStdinOpen: true });
    for await (const event of run.events()) {
      if (event.type === "input_request") expect(await lab.context.interrupt()).toBe("interrupted");
    }
    expect((await run.outcome).end).toEqual({ cause: "exited", code: 1 });
    expect((await execute(lab.context, "1")).end).toEqual({ cause: "exited", code: 0 });
  });
});

async function refusalOrNothing(act: () => void): Promise<void> {
  try {
    act();
  } catch (error) {
    expect(await refusal(Promise.reject(error instanceof Error ? error : new Error()))).toMatchObject({
      code: "conflict",
    });
  }
  await Promise.resolve();
}
