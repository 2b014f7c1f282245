import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { makePty, PtyClient } from "../../support/pty-client.ts";
import { Screen, type ScreenSize } from "../../support/screen.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** A person at a terminal: a connection that types, and the screen it draws on. */
class Seat implements AsyncDisposable {
  readonly client: PtyClient;
  readonly screen: Screen;

  private constructor(client: PtyClient, size: ScreenSize, replayed: number) {
    this.client = client;
    this.screen = new Screen(client, size, (answer) => client.type(answer), replayed);
  }

  /** Opens the session as its holder, with a window of this size. */
  static async take(id: string, size: ScreenSize, takeover = false): Promise<Seat> {
    const client = await PtyClient.open(daemon, id, takeover ? { takeover: "1" } : {});
    await client.told("connected");
    const seat = new Seat(client, size, client.replayedBytes);
    seat.resize(size);
    return seat;
  }

  static async watch(id: string, size: ScreenSize): Promise<Seat> {
    return new Seat(await PtyClient.open(daemon, id, { mode: "viewer" }), size, Number.POSITIVE_INFINITY);
  }

  resize(size: ScreenSize): void {
    this.client.send({ type: "resize", ...size });
    this.screen.resize(size);
  }

  /** Types at a prompt. */
  async command(line: string): Promise<void> {
    await this.screen.shows((rows) => /[#$]$/.test(rows.findLast((row) => row !== "") ?? ""));
    this.client.type(`${line}\r`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.screen[Symbol.dispose]();
    await this.client[Symbol.asyncDispose]();
  }
}

const count = (rows: readonly string[], pattern: RegExp) => rows.filter((row) => pattern.test(row)).length;

describe.each([
  { cols: 80, rows: 24 },
  { cols: 132, rows: 43 },
  { cols: 40, rows: 12 },
])("on a screen of $cols by $rows", (size) => {
  const other = { cols: size.cols + 7, rows: size.rows + 3 };

  test("vim draws, edits, follows a new size, writes its file and gives the screen back", async () => {
    const id = await makePty(daemon);
    await using seat = await Seat.take(id, size);
    const file = join(daemon.workspace, `poem-${size.cols}.txt`);
    await seat.command("echo before");
    await seat.command(`vim -u NONE -N -i NONE '+set ruler' ${file}`);
    await seat.screen.shows(
      (rows) => count(rows, /^~$/) === size.rows - 2 && /0,0-1/.test(rows.at(-1) ?? ""),
    );
    seat.client.type("iwörld ✓\rzwei 日本\u001b");
    await seat.screen.shows(([first, second]) => first === "wörld ✓" && second === "zwei 日本");
    await seat.screen.shows((rows) => / 2,\d+/.test(rows.at(-1) ?? ""));
    expect(seat.screen.isFull).toBe(true);
    seat.resize(other);
    await seat.screen.shows((rows) => rows.length === other.rows && count(rows, /^~$/) === other.rows - 3);
    seat.client.type(":wq\r");
    await seat.screen.shows(
      (rows) => !seat.screen.isFull && count(rows, /^before$/) === 1 && count(rows, /^~$/) === 0,
    );
    expect(await Bun.file(file).text()).toBe("wörld ✓\nzwei 日本\n");
  });

  test("top fills the screen, follows a new size and ends with a key", async () => {
    const id = await makePty(daemon);
    await using seat = await Seat.take(id, size);
    await seat.command("HOME=/dev/null top -d 60");
    const fills = (wanted: ScreenSize) => (rows: readonly string[]) =>
      /^top - /.test(rows[0] ?? "") &&
      count(rows, /^ *PID USER/) === 1 &&
      rows.length === wanted.rows &&
      rows.every((row) => row.length <= wanted.cols);
    await seat.screen.shows(fills(size));
    seat.resize(other);
    await seat.screen.shows(fills(other));
    seat.client.type("q");
    await seat.command("echo af''ter");
    await seat.screen.shows((rows) => count(rows, /^after$/) === 1);
  });

  test("a progress bar stays on its line", async () => {
    const id = await makePty(daemon);
    await using seat = await Seat.take(id, size);
    const bar = `bar=; for i in $(seq 20); do bar=$bar#; printf '\\r[%-20s] %3d%%' "$bar" $((i * 5)); done; echo; echo do''ne`;
    await seat.command(bar);
    const rows = await seat.screen.shows((rows) => rows.includes("done"));
    expect(count(rows, /^\[#+ *\] +\d+%$/)).toBe(1);
    expect(rows[rows.indexOf("done") - 1]).toBe(`[${"#".repeat(20)}] 100%`);
  });

  test("tmux inside is left by one client and taken by another, which sees what a third saw all along", async () => {
    const id = await makePty(daemon);
    let watched: Seat | undefined;
    {
      await using first = await Seat.take(id, size);
      watched = await Seat.watch(id, size);
      await first.command(`export TMUX_TMPDIR=${daemon.workspace}`);
      await first.command(`tmux -f /dev/null -L ${size.cols} new -s t 'bash --norc'`);
      await first.screen.shows((rows) => /^\[t\] 0:bash\*/.test(rows.at(-1) ?? ""));
      first.client.type('\u0002"');
      await first.screen.shows((rows) => count(rows, /^─+$/) === 1);
      first.client.type("seq 3000; echo wh''ile away\r");
    }
    await using viewer = watched;
    await using second = await Seat.take(id, size, true);
    const isDone = (rows: readonly string[]) =>
      count(rows, /^while away$/) === 1 && /[#$]$/.test(rows.at(-2) ?? "");
    const seen = await second.screen.shows(isDone);
    expect(await viewer.screen.shows(isDone)).toEqual(seen);
    expect(count(seen, /^─+$/)).toBe(1);
    second.resize(other);
    await second.screen.shows(
      (rows) => rows.length === other.rows && /^\[t\] 0:bash\*/.test(rows.at(-1) ?? ""),
    );
    expect((await daemon.execd(`/pty/${id}`, { method: "DELETE" })).status).toBe(200);
    await second.client.closed;
    expect(viewer.client.output.equals(second.client.output)).toBe(true);
  });
});
