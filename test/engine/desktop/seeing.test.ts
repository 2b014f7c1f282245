import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { findElement } from "../../../src/engine/desktop/find.ts";
import { drawMarks, numberElements } from "../../../src/engine/desktop/marks.ts";
import { findText, ocrLanguages, readText, type Word } from "../../../src/engine/desktop/ocr.ts";
import { capture } from "../../../src/engine/desktop/screenshot.ts";
import { flatten, type Accessibility } from "../../../src/engine/desktop/accessibility.ts";
import { TestDesktop, type Form } from "../../support/desktop.ts";
import { refusal, until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

let desk: TestDesktop;
let form: Form;
let told: Accessibility;
beforeAll(async () => {
  desk = await TestDesktop.open();
  form = await desk.launchForm();
  const listening = await desk.session.listening();
  if (!listening) throw new Error("applications cannot be listened to");
  told = listening;
});
afterAll(() => desk[Symbol.asyncDispose]());

describe("text on the screen", () => {
  test("is read, with the place of each word", async () => {
    const { run } = await desk.launch(
      "xterm",
      "-fa",
      "DejaVu Sans Mono",
      "-fs",
      "14",
      "-e",
      "echo Sanderling sees words; sleep 600",
    );
    const frame = await capture(desk.session);
    const { text, words } = await readText(desk.desktop.host, frame, { language: "eng", layout: "page" });
    expect(text).toContain("Sanderling sees words");
    const word = words.find((one) => one.text === "Sanderling");
    const window = (await desk.session.windows.list()).find(({ windowClass }) => windowClass === "XTerm");
    expect(word?.x).toBeGreaterThanOrEqual(window?.content.x ?? 9999);
    expect(word?.y).toBeLessThan((window?.content.y ?? 0) + 30);
    await run.destroy();
  });

  test("is refused in languages that are not installed", async () => {
    expect(await ocrLanguages(desk.desktop.host)).toContain("eng");
    const frame = await capture(desk.session, { area: { x: 0, y: 0, width: 50, height: 50 } });
    const error = await refusal(readText(desk.desktop.host, frame, { language: "xyz", layout: "page" }));
    expect(error.message).toContain("Cannot read xyz: installed are");
  });

  test("is waited for until it comes, and not longer than asked", async () => {
    const waiting = findElement(desk.session, { text: "appears later", language: "eng", waitMs: 30_000 });
    const { run } = await desk.launch(
      "xterm",
      "-fa",
      "DejaVu Sans Mono",
      "-fs",
      "14",
      "-e",
      "sleep 0.5; echo it appears later; sleep 600",
    );
    expect(await waiting).toMatchObject({ source: "ocr", text: "appears later" });
    await run.destroy();
    expect(
      await findElement(desk.session, { text: "never there", language: "eng", waitMs: 300 }),
    ).toBeUndefined();
  });

  test("is found across words of a line, whatever its case, the closest match first", () => {
    const word = (text: string, x: number, line = "1"): Word => ({
      text,
      x,
      y: 0,
      width: 10,
      height: 5,
      line,
      confidence: 90,
    });
    const words = [word("Save", 0), word("file", 20), word("as", 40), word("save", 0, "2")];
    expect(findText(words, "FILE as")).toEqual({ x: 20, y: 0, width: 30, height: 5, text: "file as" });
    expect(findText(words, "save")).toMatchObject({ text: "Save" });
    expect(findText(words, "as save")).toBeUndefined();
    expect(findText(words, "  ")).toBeUndefined();
  });
});

describe("elements", () => {
  test("are told as a tree with role, name, states and place", async () => {
    const { applications, isCut } = await told.tree({ withHidden: false, mostElements: 1000 });
    const all = [...flatten(applications)];
    const button = all.find(({ name }) => name === "Save it");
    expect(button).toMatchObject({ role: "push button", actions: ["Click"] });
    for (const state of ["enabled", "focusable", "showing", "visible"] as const)
      expect(button?.states).toContain(state);
    const { x, y, width, height } = form.window;
    expect(button?.bounds?.x).toBeGreaterThan(x);
    expect(button?.bounds?.y).toBeGreaterThan(y);
    expect((button?.bounds?.x ?? 0) + (button?.bounds?.width ?? 0)).toBeLessThan(x + width);
    expect((button?.bounds?.y ?? 0) + (button?.bounds?.height ?? 0)).toBeLessThan(y + height);
    expect(isCut).toBe(false);
    const cut = await told.tree({ withHidden: false, mostElements: 3 });
    expect([cut.count, cut.isCut]).toEqual([3, true]);
  });

  test("are found by name and used without the pointer", async () => {
    const [name] = await told.findAll("name", "text");
    await told.setText(name?.id ?? "", "Ada Lövelace");
    const [save] = await told.findAll("SAVE");
    expect(await told.invoke(save?.id ?? "", undefined)).toBe("Click");
    await until(async () => (await form.told()).includes("saved Ada Lövelace\n"));
    const [remember] = await told.findAll("Remember me");
    expect(await told.invoke(remember?.id ?? "", "click")).toBe("Click");
    await until(async () => (await form.told()).includes("remember True\n"));
    const [again] = await told.findAll("Remember me");
    expect(again?.states).toContain("checked");
  });

  test("that are not there, or cannot do it, are refused", async () => {
    const [save] = await told.findAll("Save it");
    const error = await refusal(told.invoke(save?.id ?? "", "fly"));
    expect(error.code).toBe("not_found");
    expect(error.message).toContain("no action fly; it has Click");
    expect((await refusal(told.invoke(":1.1/org/a11y/atspi/accessible/99999", undefined))).code).toBe(
      "not_found",
    );
    expect((await refusal(told.invoke("rm -rf", undefined))).code).toBe("invalid");
  });

  test("are found by the text that a client names, before anything is read off the screen", async () => {
    const found = await findElement(desk.session, { text: "remember", language: "eng", waitMs: 0 });
    expect(found).toMatchObject({ source: "accessibility", text: "Remember me" });
  });

  test("have a number each in a marked picture", async () => {
    const frame = await capture(desk.session);
    const before = frame.pixels.slice();
    const marks = numberElements(await told.actionable(), frame.area);
    drawMarks(frame, marks);
    expect(marks.map(({ number, element }) => `${number} ${element.name}`)).toEqual([
      "1 Name",
      "2 Save it",
      "3 Remember me",
      "4 Letter",
    ]);
    for (const { bounds } of marks) {
      const at = 4 * (bounds.y * frame.width + bounds.x + bounds.width - 1);
      expect(frame.pixels.subarray(at, at + 3)).not.toEqual(before.subarray(at, at + 3));
    }
  });
});
