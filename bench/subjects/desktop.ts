import type { TestDaemon } from "../../test/support/daemon.ts";
import { get, post } from "../harness/calls.ts";
import { need, type Stage } from "../harness/stage.ts";
import { NotHere, type Contenders, type Subject } from "../harness/scenario.ts";

const TEXT =
  "The quick brown fox jumps over the lazy dog, and 0123456789 times again; then it rests a little. ok!!";
const SMALL = { width: 1280, height: 800 };
const LARGE = { width: 1920, height: 1080 };

export const desktop: Subject = {
  name: "desktop",
  title: "The desktop",
  about:
    "Each beside the bare tool that people use for the same, on the same display. A click is on an empty desktop; text goes into a terminal.",
  scenarios: [
    {
      name: "click",
      what: "click",
      open: (stage) =>
        beside(stage, (daemon) => post(daemon, "/desktop/mouse/click", { x: 5, y: 5, button: "middle" }), [
          "xdotool",
          "mousemove",
          "5",
          "5",
          "click",
          "2",
        ]),
    },
    {
      name: "type",
      what: "type 100 characters",
      open: (stage) =>
        beside(
          stage,
          (daemon) => post(daemon, "/desktop/keyboard/type", { text: TEXT }),
          ["xdotool", "type", "--delay", "0", TEXT],
          (daemon) => post(daemon, "/desktop/launch", { command: "xterm", args: ["-e", "cat > /dev/null"] }),
        ),
    },
    {
      name: "screenshot",
      what: "screenshot, 1280 × 800",
      open: (stage) => screenshots(stage, SMALL),
    },
    {
      name: "screenshot-large",
      what: "screenshot, 1920 × 1080",
      open: (stage) => screenshots(stage, LARGE),
    },
    {
      name: "text",
      what: "text on the screen (OCR)",
      open: async (stage) => {
        const picture = `${await stage.directory()}/screen.png`;
        return beside(
          stage,
          (daemon) => post(daemon, "/desktop/x11/ocr", {}),
          ["tesseract", picture, "-"],
          async (_, env) => {
            await stage.run(["maim", picture], env);
          },
        );
      },
    },
  ],
};

function screenshots(stage: Stage, size: { width: number; height: number }): Promise<Contenders> {
  return beside(
    stage,
    (daemon) => get(daemon, "/desktop/screenshot"),
    ["maim", "/dev/null"],
    (daemon) => post(daemon, "/desktop/display/set", size),
  );
}

async function beside(
  stage: Stage,
  call: (daemon: TestDaemon) => Promise<void>,
  tool: readonly [string, ...string[]],
  prepare: (daemon: TestDaemon, env: Readonly<Record<string, string>>) => Promise<void> = () =>
    Promise.resolve(),
): Promise<Contenders> {
  need(tool[0]);
  const daemon = await stage.daemon();
  const started = await daemon.post("/desktop/vnc/start", {});
  if (started.status !== 200) throw new NotHere(`there is no desktop here: ${started.body.error ?? ""}`);
  const env = await displayOf(daemon);
  await prepare(daemon, env);
  return [
    { what: "ours", pid: daemon.child.pid, call: () => call(daemon) },
    {
      what: `\`${tool[0]}\``,
      call: async () => {
        await stage.run(tool, env);
      },
    },
  ];
}

/** What a run is told of the display. */
async function displayOf(daemon: TestDaemon): Promise<Record<string, string>> {
  const { body } = await daemon.post("/commands/run", { command: "env | grep -E '^(DISPLAY|XAUTHORITY)='" });
  const lines = body.stdout.trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]),
  );
}
