/** What the desktop routes cost, each beside the bare tool that people use for the same. */
import type { TestDaemon } from "../test/support/daemon.ts";
import { compare, type Row } from "./measure.ts";

const TEXT =
  "The quick brown fox jumps over the lazy dog, and 0123456789 times again; then it rests a little. ok!!";

export async function desktopRows(daemon: TestDaemon, rounds: number): Promise<Row[]> {
  const started = await daemon.post("/desktop/vnc/start", {});
  if (started.status !== 200) {
    console.log(`desktop rows are left out: ${started.body.error ?? ""}`);
    return [];
  }
  const env = await displayOf(daemon);
  const post = (path: string, body: object) => async () => {
    const { status } = await daemon.post(path, body);
    if (status !== 200) throw new Error(`${path} answered ${status}`);
  };
  const tool =
    (...argv: string[]) =>
    async () => {
      const child = Bun.spawn(argv, { env: { ...process.env, ...env }, stdout: "ignore", stderr: "ignore" });
      if ((await child.exited) !== 0) throw new Error(`${argv.join(" ")} failed`);
    };
  const get = (path: string) => async () => {
    await (await daemon.fetch(path)).bytes();
  };
  const few = Math.min(rounds, 30);
  const rows: Row[] = [];
  await daemon.post("/desktop/launch", { command: "xterm", args: ["-e", "cat > /dev/null"] });
  const click = post("/desktop/mouse/click", { x: 5, y: 5, button: "middle" });
  const bareClick = tool("xdotool", "mousemove", "5", "5", "click", "2");
  rows.push(...(await compare("desktop: click", click, "xdotool", bareClick, rounds)));
  const type = post("/desktop/keyboard/type", { text: TEXT });
  const bareType = tool("xdotool", "type", "--delay", "0", TEXT);
  rows.push(...(await compare("desktop: type 100 characters", type, "xdotool", bareType, few)));
  for (const [width, height] of [
    [1280, 800],
    [1920, 1080],
  ]) {
    await daemon.post("/desktop/display/set", { width, height });
    const [shot, bare] = [get("/desktop/screenshot"), tool("maim", "/dev/null")];
    rows.push(...(await compare(`desktop: screenshot ${width}x${height}`, shot, "maim", bare, few)));
  }
  await daemon.post("/desktop/display/set", { width: 1280, height: 800 });
  await tool("maim", "/tmp/sanderling-bench-screen.png")();
  const bareOcr = tool("tesseract", "/tmp/sanderling-bench-screen.png", "-");
  rows.push(
    ...(await compare("desktop: OCR of the screen", post("/desktop/x11/ocr", {}), "tesseract", bareOcr, 5)),
  );
  await daemon.post("/desktop/stop", {});
  return rows;
}

/** What a run is told of the display. */
async function displayOf(daemon: TestDaemon): Promise<Record<string, string>> {
  const { body } = await daemon.post("/commands/run", { command: "env | grep -E '^(DISPLAY|XAUTHORITY)='" });
  return Object.fromEntries(
    body.stdout
      .trim()
      .split("\n")
      .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
}
