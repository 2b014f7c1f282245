import type { Environment } from "../environment.ts";
import { describeEnd } from "../run.ts";
import { listProcesses, startEnvironment } from "../process/proc.ts";
import type { ProcessRun } from "../process/process-run.ts";
import type { Accessibility } from "./accessibility.ts";
import { Clipboard } from "./clipboard.ts";
import { startDisplayServer, type DisplayServer } from "./display-server.ts";
import { startService, type Argv, type DesktopHost } from "./host.ts";
import { hasPrinted } from "./has-printed.ts";
import { Keyboard } from "./keyboard.ts";
import type { DesktopLog } from "./log.ts";
import { Pointer } from "./pointer.ts";
import { missingFor } from "./requirements.ts";
import { SessionDirectory } from "./session-directory.ts";
import { pause } from "./turns.ts";
import { Windows } from "./windows.ts";
import { XConnection } from "./x11/connection.ts";
import {
  createHiddenWindow,
  destroyWindow,
  EVENT,
  getNumbers,
  getText,
  nextEvent,
  paintRoot,
  sendToRoot,
} from "./x11/core.ts";
import { Screens } from "./x11/randr.ts";
import { FakeInput } from "./x11/xtest.ts";
import busConfig from "../../../runtimes/desktop/bus.conf.txt" with { type: "text" };
import openboxMenu from "../../../runtimes/desktop/menu.xml.txt" with { type: "text" };
import openboxSettings from "../../../runtimes/desktop/rc.xml.txt" with { type: "text" };

export interface SessionOptions {
  readonly log: DesktopLog;
  /** First display to try. */
  readonly first: number;
}

const BACKGROUND = 0x2e3440;
const LOST_MS = 500;
const ANSWER_MS = 2000;
const ASK_AGAIN_MS = 20;
const MANAGER_READY_MS = 10_000;
/** A helper that ends more often than this in a minute is left alone. */
const MOST_RESTARTS = 5;
const RESTART_WINDOW_MS = 60_000;

interface Devices {
  readonly screens: Screens;
  readonly fake: FakeInput;
  readonly clipboard: Clipboard;
  readonly windows: Windows;
}

/** One display with its window manager and the devices to use it by, until the X server ends. */
export class Session implements AsyncDisposable {
  readonly display: number;
  readonly startedAt = new Date();
  /** What programs of this session are started with. */
  readonly environment: Environment;
  /** Settles when the X server is gone or no longer to be talked to, with how it ended. */
  readonly ended: Promise<string>;
  readonly screens: Screens;
  readonly pointer: Pointer;
  readonly keyboard: Keyboard;
  readonly clipboard: Clipboard;
  readonly windows: Windows;
  #listening: Promise<Accessibility | undefined> = Promise.resolve(undefined);
  readonly #runs = new Map<string, ProcessRun>();
  #isClosing = false;

  private constructor(
    readonly host: DesktopHost,
    readonly files: SessionDirectory,
    readonly x: XConnection,
    server: DisplayServer,
    readonly log: DesktopLog,
    devices: Devices,
  ) {
    this.display = server.number;
    this.environment = environmentOf(server.number, files);
    this.ended = Promise.race([
      server.run.outcome.then(({ end }) => describeEnd(end)),
      // Usually because the server has ended, which says more.
      x.closed.then(() => pause(LOST_MS)).then(() => "the connection to it was lost"),
    ]);
    this.#runs.set("Xvnc", server.run);
    this.screens = devices.screens;
    this.pointer = new Pointer(devices.fake, () => devices.screens.size());
    this.keyboard = new Keyboard(devices.fake);
    this.clipboard = devices.clipboard;
    this.windows = devices.windows;
  }

  /** @throws EngineError `unavailable` when the display does not come up; nothing is left then. */
  static async start(host: DesktopHost, { log, first }: SessionOptions): Promise<Session> {
    await using started = new AsyncDisposableStack();
    const files = started.use(new SessionDirectory(host.scratch, host.user));
    const server = await startDisplayServer(host, files, { first, log });
    started.defer(() => server.run.destroy());
    const x = started.use(await XConnection.connect(server.socket, files.cookie));
    const session = new Session(host, files, x, server, log, await openDevices(x));
    paintRoot(x, BACKGROUND);
    await session.#startHelpers();
    log.add("session", `display :${session.display} is ready`);
    started.move();
    return session;
  }

  /** The programs that the session itself consists of. */
  get runs(): ReadonlyMap<string, ProcessRun> {
    return this.#runs;
  }

  /** What applications tell of their elements; undefined where the machine lacks what that needs. */
  listening(): Promise<Accessibility | undefined> {
    return this.#listening;
  }

  /** Pids of what the session consists of and of everything that was started on its display. */
  processes(): number[] {
    const own = new Set([...this.#runs.values()].map(({ pid }) => pid));
    const mark = `XAUTHORITY=${this.files.file("authority")}`;
    return listProcesses()
      .map(({ pid }) => pid)
      .filter((pid) => own.has(pid) || startEnvironment(pid).includes(mark));
  }

  /** Starts a program on this display, to live until the session ends or it is stopped. */
  startProgram(argv: Argv, options: { readonly cwd?: string; readonly env?: Environment } = {}) {
    const env = { ...this.environment, ...options.env };
    return startService(this.host, argv, { ...options, env });
  }

  /** Keeps a program running under a name: it is started again when it ends, a few times. */
  async keep(name: string, argv: Argv, onStart: () => void = () => undefined): Promise<void> {
    const run = await this.startProgram(argv);
    this.#runs.set(name, run);
    void this.log.follow(name, run);
    void run.outcome.then(({ end }) => this.#startAgain(name, argv, describeEnd(end), onStart));
    onStart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    this.x[Symbol.dispose]();
    (await this.#listening)?.[Symbol.dispose]();
    const runs = [...this.#runs.values()].toReversed();
    await Promise.all(runs.map((run) => run.destroy()));
    await this.files[Symbol.asyncDispose]();
  }

  readonly #restarts: number[] = [];

  async #startAgain(name: string, argv: Argv, ending: string, onStart: () => void): Promise<void> {
    if (this.#isClosing || !this.x.isOpen) return;
    const now = performance.now();
    const recent = this.#restarts.filter((at) => now - at < RESTART_WINDOW_MS).length;
    const isTired = recent >= MOST_RESTARTS;
    const action = isTired ? "left alone: it ended too often" : "started again";
    this.log.add("session", `${name} ${ending}; ${action}`);
    this.host.onNotice(`the desktop's ${name} ended; ${action}`, { ending });
    if (isTired) return;
    this.#restarts.push(now);
    await this.#runs.get(name)?.destroy();
    await this.keep(name, argv, onStart).catch((cause: unknown) =>
      this.log.add("session", `${name} cannot be started again: ${String(cause)}`),
    );
  }

  async #startHelpers(): Promise<void> {
    this.files.write("menu.xml", openboxMenu);
    const settings = this.files.write("rc.xml", openboxSettings.replace("MENU", this.files.file("menu.xml")));
    await this.#startBus();
    const managed = this.#managed();
    await this.keep("openbox", ["openbox", "--config-file", settings, "--sm-disable"]);
    await managed;
  }

  /** Programs find each other by it; those that show their elements start a second one by it. */
  async #startBus(): Promise<void> {
    if (this.host.findProgram("dbus-daemon") === undefined) return;
    const address = `unix:path=${this.files.socket("bus")}`;
    const config = this.files.write("bus.conf", busConfig.replace("ADDRESS", address));
    const argv = ["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--print-address=1"] as const;
    await this.keep("dbus-daemon", [...argv, `--config-file=${config}`], () => {
      this.#listening = this.#listenToPrograms();
    });
  }

  /** What is not there is said when it is asked for; nothing else needs it. */
  async #listenToPrograms(): Promise<Accessibility | undefined> {
    if (missingFor("accessibility", this.host).length > 0) return undefined;
    const run = this.#runs.get("dbus-daemon");
    if (!run || !(await hasPrinted(run))) return undefined;
    const { Accessibility } = await import("./accessibility.ts");
    try {
      return await Accessibility.open(this.files.socket("bus"));
    } catch (error) {
      if (!this.#isClosing) this.log.add("session", `applications cannot be listened to: ${String(error)}`);
      return undefined;
    }
  }

  /** A window manager that rules says so in a property of the root window (EWMH). */
  async #managed(): Promise<void> {
    const deadline = performance.now() + MANAGER_READY_MS;
    while (performance.now() < deadline && this.x.isOpen) {
      const changed = nextEvent(this.x, 250, (event) =>
        event.code === EVENT.propertyNotify ? true : undefined,
      );
      const [check = 0] = await getNumbers(this.x, this.x.facts.root, "_NET_SUPPORTING_WM_CHECK");
      if (check !== 0 && (await getText(this.x, check, "_NET_WM_NAME").catch(() => "")) !== "")
        return this.#answered();
      await changed;
    }
    this.log.add("session", "the window manager is not ready yet; windows may look odd");
  }

  /**
   * It says so before it looks at what happens, and a window that comes in between is not given the keys. So it
   * is asked for something that it answers only afterwards (EWMH, _NET_REQUEST_FRAME_EXTENTS).
   */
  async #answered(): Promise<void> {
    const window = createHiddenWindow(this.x);
    const deadline = performance.now() + ANSWER_MS;
    let isAnswered = false;
    // What is sent to it before it looks is lost, so it is asked again.
    while (!isAnswered && performance.now() < deadline && this.x.isOpen) {
      const answer = nextEvent(this.x, ASK_AGAIN_MS, (event) =>
        event.code === EVENT.propertyNotify && event.u32(4) === window ? true : undefined,
      );
      await sendToRoot(this.x, window, "_NET_REQUEST_FRAME_EXTENTS", []);
      isAnswered = (await answer) === true;
    }
    destroyWindow(this.x, window);
  }
}

async function openDevices(x: XConnection): Promise<Devices> {
  const [screens, fake, clipboard] = await Promise.all([
    Screens.open(x),
    FakeInput.open(x),
    Clipboard.open(x),
  ]);
  return { screens, fake, clipboard, windows: new Windows(x) };
}

function environmentOf(display: number, files: SessionDirectory): Environment {
  return {
    DISPLAY: `:${display}`,
    XAUTHORITY: files.file("authority"),
    XDG_RUNTIME_DIR: files.runtime,
    XDG_SESSION_TYPE: "x11",
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${files.socket("bus")}`,
    // Toolkits that show their elements to screen readers only when told that one is there.
    QT_LINUX_ACCESSIBILITY_ALWAYS_ON: "1",
    ACCESSIBILITY_ENABLED: "1",
    GNOME_ACCESSIBILITY: "1",
  };
}
