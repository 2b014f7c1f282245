import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { unscale } from "../../../src/engine/desktop/pointer.ts";
import { queryPointer } from "../../../src/engine/desktop/x11/core.ts";
import { read, TestDesktop, tool } from "../../support/desktop.ts";
import { printed, refusal, said, until } from "../../support/engine.ts";
import { MIXED_SCRIPTS } from "../../support/mixed-scripts.ts";

setDefaultTimeout(60_000);

let desk: TestDesktop;
beforeAll(async () => {
  desk = await TestDesktop.open();
});
afterAll(() => desk[Symbol.asyncDispose]());

/** What xev says of keys and buttons, in order: "KeyPress a", "ButtonPress 1". */
function events(text: string): string[] {
  const found = text.matchAll(
    /^((?:Key|Button)(?:Press|Release)) event[^]*?(?:button (\d+)|keysym 0x\w+, (\w+)\))/gm,
  );
  return [...found].map(([, kind = "", button, key]) => `${kind} ${button ?? key ?? ""}`);
}

async function seen(run: Parameters<typeof printed>[0]): Promise<string[]> {
  return events(new TextDecoder().decode(await printed(run)));
}

describe("the mouse", () => {
  test("clicks where it is told, with the button and as often as it is told", async () => {
    const { run, window } = await desk.launchXev();
    const { x, y } = window.content;
    await desk.session.pointer.click({ x: x + 150, y: y + 170 }, "left", 1);
    await desk.session.pointer.click({ x: x + 151, y: y + 172 }, "right", 1);
    await desk.session.pointer.click(undefined, "middle", 2);
    await until(async () => (await seen(run)).length === 8);
    expect(await seen(run)).toEqual(
      [1, 3, 2, 2].flatMap((button) => [`ButtonPress ${button}`, `ButtonRelease ${button}`]),
    );
    await said(run, /ButtonPress[^]*?\(150,170\)[^]*?button 1[^]*?\(151,172\)[^]*?button 3/);
    await run.destroy();
  });

  test("drags through places on the way, and has let go at the end", async () => {
    const { run, window } = await desk.launchXev();
    const { x, y } = window.content;
    const from = { x: x + 120, y: y + 120 };
    const to = { x: x + 320, y: y + 220 };
    await desk.session.pointer.drag({ from, to, button: "left", steps: 10, stepMs: 1 });
    await said(run, /ButtonRelease[^]*?\(320,220\)/);
    const text = new TextDecoder().decode(await printed(run));
    const held = text.slice(text.indexOf("ButtonPress"), text.indexOf("ButtonRelease"));
    expect(held).toMatch(/ButtonPress[^]*?\(120,120\)/);
    expect([...held.matchAll(/MotionNotify[^]*?state 0x100,/g)].length).toBeGreaterThanOrEqual(9);
    await run.destroy();
  });

  test("scrolls in both axes, notch by notch", async () => {
    const { run, window } = await desk.launchXev();
    const { x, y } = window.content;
    const { pointer } = desk.session;
    await pointer.scroll({ x: x + 150, y: y + 150 }, "down", 3);
    await pointer.scroll(undefined, "up", 1);
    await pointer.scroll(undefined, "left", 1);
    await pointer.scroll(undefined, "right", 2);
    await until(async () => (await seen(run)).length === 14);
    const pressed = (await seen(run)).filter((event) => event.startsWith("ButtonPress"));
    expect(pressed.map((event) => event.split(" ")[1])).toEqual(["5", "5", "5", "4", "6", "7", "7"]);
    await run.destroy();
  });

  test("refuses places outside the screen, and does nothing then", async () => {
    const { pointer } = desk.session;
    await pointer.move({ x: 5, y: 6 });
    for (const [x, y] of [
      [1280, 10],
      [10, 800],
      [-1, 10],
    ] as const) {
      const error = await refusal(pointer.click({ x, y }, "left", 1));
      expect([error.code, error.message]).toEqual([
        "invalid",
        `The point ${x}, ${y} is outside the screen of 1280x800`,
      ]);
    }
    const drag = {
      from: { x: 5, y: 6 },
      to: { x: 9999, y: 6 },
      button: "left",
      steps: 5,
      stepMs: 0,
    } as const;
    expect((await refusal(pointer.drag(drag))).code).toBe("invalid");
    expect(await pointer.position()).toEqual({ x: 5, y: 6 });
  });

  test("has let go of its button after a drag that nobody waits for any longer", async () => {
    const { run, window } = await desk.launchXev();
    const { x, y } = window.content;
    const leaving = new AbortController();
    const drag = {
      from: { x: x + 100, y: y + 100 },
      to: { x: x + 200, y: y + 200 },
      button: "left",
    } as const;
    const dragging = refusal(desk.session.pointer.drag({ ...drag, steps: 1000, stepMs: 20 }, leaving.signal));
    await said(run, /ButtonPress/);
    leaving.abort();
    expect((await dragging).code).toBe("gone");
    await said(run, /ButtonRelease/);
    expect((await queryPointer(desk.session.x)).mask & 0x1f00).toBe(0);
    await run.destroy();
  });

  test.each([
    [
      { x: 0, y: 0 },
      { x: 1, y: 1 },
    ],
    [
      { x: 320, y: 200 },
      { x: 641, y: 401 },
    ],
    [
      { x: 639, y: 399 },
      { x: 1279, y: 799 },
    ],
  ])("takes %p of a picture half as large for %p of the screen", (point, expected) => {
    expect(unscale(point, { width: 640, height: 400 }, { width: 1280, height: 800 })).toEqual(expected);
  });
});

describe("the keyboard", () => {
  test("types into a terminal exactly what it is given", async () => {
    const file = join(desk.test.workspace, "typed");
    const { run } = await desk.launch("xterm", "-e", `cat > ${file}; echo done >> ${file}`);
    const text =
      "for i in {1..3}; do echo \"$i\" | sed 's/[0-9]/<&>/' && true; done # ~^`\\!%&*()+=?@\tTAB\n";
    await desk.session.keyboard.type(text, 0);
    await desk.session.keyboard.press(["ctrl", "d"]);
    expect(await until(async () => (await read(file)).endsWith("done\n") && read(file))).toBe(
      `${text}done\n`,
    );
    await run.destroy();
  });

  test("presses keys by their names, and combinations in order, released in reverse", async () => {
    const { run } = await desk.launchXev();
    const { keyboard } = desk.session;
    await keyboard.press(["Return"]);
    await keyboard.press(["Page_Up"]);
    await keyboard.press(["F5"]);
    await keyboard.press(["ctrl", "shift", "T"]);
    await keyboard.press(["?"]);
    const names = (of: readonly string[]) => of.map((event) => event.replace(/^Key/, ""));
    const pressed = (key: string) => [`Press ${key}`, `Release ${key}`];
    const expected = [
      ...[...pressed("Return"), ...pressed("Prior"), ...pressed("F5")],
      ...["Press Control_L", "Press Shift_L", "Press T", "Release T", "Release Shift_L", "Release Control_L"],
      ...["Press Shift_L", "Press question", "Release question", "Release Shift_L"],
    ];
    await until(async () => (await seen(run)).length >= expected.length);
    expect(names(await seen(run))).toEqual(expected);
    await run.destroy();
  });

  test("refuses names of no key and control characters, and types nothing then", async () => {
    const { keyboard } = desk.session;
    expect((await refusal(keyboard.press(["NoSuchKey"]))).message).toContain('no key named "NoSuchKey"');
    expect((await refusal(keyboard.type("a\u0000b", 0))).message).toContain("Cannot type U+0000");
  });

  test("holds keys for a time, and lets go when nobody waits any longer", async () => {
    const { run } = await desk.launchXev();
    const leaving = new AbortController();
    const holding = refusal(desk.session.keyboard.press(["shift", "a"], 60_000, leaving.signal));
    await said(run, /KeyPress[^]*keysym 0x\w+, A\)/);
    leaving.abort();
    expect((await holding).code).toBe("gone");
    await said(run, /KeyRelease[^]*keysym 0x\w+, Shift_L\)/);
    expect((await queryPointer(desk.session.x)).mask & 0xff).toBe(0);
    await run.destroy();
  });
});

describe("text of all scripts", () => {
  test("arrives in a text field unchanged, three times in a row", async () => {
    await using own = await TestDesktop.open();
    const form = await own.launchForm("--focus-text");
    for (let times = 1; times <= 3; times++) {
      await own.session.keyboard.type(MIXED_SCRIPTS, 0);
      const wanted = MIXED_SCRIPTS.repeat(times);
      await until(async () => (await form.text()).length >= wanted.length);
      expect(await form.text()).toBe(wanted);
    }
  });

  test.each([
    ["German", "de", "z y Z Y ß / & ( ) = ? @ ö [ ] { }"],
    ["Russian", "ru", "hello, привет!"],
    ["French", "fr", "azerty AZERTY 0123 é ù"],
  ])("arrives with a %s layout", async (_, layout, text) => {
    await using own = await TestDesktop.open();
    const env = { ...own.session.environment };
    const form = await own.launchForm("--focus-text");
    await own.session.keyboard.type("→", 0);
    await tool(["setxkbmap", layout], { env });
    await own.session.keyboard.type(`${text}→`, 0);
    await until(async () => (await form.text()).length >= text.length + 2);
    expect(await form.text()).toBe(`→${text}→`);
  });

  test("arrives with Caps Lock on, which is on again afterwards", async () => {
    await using own = await TestDesktop.open();
    const form = await own.launchForm("--focus-text");
    await own.session.keyboard.press(["Caps_Lock"]);
    await own.session.keyboard.type("Straße ÄÖ é Ж ж", 0);
    await until(async () => (await form.text()).length >= 15);
    expect(await form.text()).toBe("Straße ÄÖ é Ж ж");
    expect((await queryPointer(own.session.x)).mask & 2).toBe(2);
  });
});
