import type { Environment } from "../environment.ts";
import { EngineError } from "../error.ts";
import type { DesktopHost } from "./host.ts";
import { DesktopLog } from "./log.ts";
import { requirePart, type DesktopPart } from "./requirements.ts";
import type { Session } from "./session.ts";
import { Recordings } from "./recordings.ts";
import { Turns } from "./turns.ts";
import { Vnc } from "./vnc.ts";

/** What the desktop is doing; a display that ended by itself is started again, and told here. */
export type DesktopState =
  | { readonly state: "stopped" }
  | { readonly state: "starting" }
  | { readonly state: "running"; readonly session: Session }
  /** It ended too often to be started again by itself; the next call starts it. */
  | { readonly state: "failed"; readonly reason: string };

/** A display that dies more often than this in a minute is left to the next call. */
const MOST_RESTARTS = 3;
const RESTART_WINDOW_MS = 60_000;
const FIRST_DISPLAY = 1;

/** The sandbox's one desktop: started with the first thing that needs it, kept up, and taken down. */
export class Desktop implements AsyncDisposable {
  readonly log = new DesktopLog();
  readonly input = new Turns("mouse and keyboard");
  /** The doors for people who look on. */
  readonly vnc: Vnc;
  readonly recordings: Recordings;
  #state: DesktopState = { state: "stopped" };
  #starting: Promise<Session> | undefined;
  #restarts: number[] = [];
  #lastEnd: string | undefined;
  #isClosed = false;
  #onStart: (session: Session) => void = () => undefined;

  constructor(readonly host: DesktopHost) {
    this.vnc = new Vnc(this);
    this.recordings = new Recordings(this);
  }

  get state(): DesktopState {
    return this.#state;
  }

  /** How often the display was started again by itself, and why the last time. */
  get restarts(): { readonly count: number; readonly lastEnd: string | undefined } {
    return { count: this.#restarts.length, lastEnd: this.#lastEnd };
  }

  /** What programs find the display by; undefined while there is none. */
  get environment(): Environment | undefined {
    return this.#state.state === "running" ? this.#state.session.environment : undefined;
  }

  /** Calls back with each new session. */
  onStart(listener: (session: Session) => void): void {
    const before = this.#onStart;
    this.#onStart = (session) => {
      before(session);
      listener(session);
    };
  }

  /**
   * The running session, started when there is none.
   * @param part What it is wanted for, besides the display.
   * @throws EngineError `unsupported` with `missing_dependencies`, `unavailable` when it does not start.
   */
  async use(part: DesktopPart = "display", first = FIRST_DISPLAY): Promise<Session> {
    requirePart(part, this.host);
    if (this.#isClosed) throw new EngineError("unavailable", "The desktop is shutting down");
    if (this.#state.state === "running") return this.#state.session;
    this.#starting ??= this.#start(first).finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  /** Ends the display and every program on it. */
  async stop(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    if (this.#state.state !== "running") return;
    const { session } = this.#state;
    this.#state = { state: "stopped" };
    await session[Symbol.asyncDispose]();
    this.log.add("session", `display :${session.display} was stopped`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.vnc[Symbol.asyncDispose](), this.recordings[Symbol.asyncDispose]()]);
    await this.stop();
  }

  async #start(first: number): Promise<Session> {
    this.#state = { state: "starting" };
    try {
      const { Session } = await import("./session.ts");
      const session = await Session.start(this.host, { log: this.log, first });
      this.#state = { state: "running", session };
      this.#onStart(session);
      void session.ended.then((ending) => this.#ended(session, ending));
      return session;
    } catch (error) {
      this.#state = { state: "failed", reason: error instanceof Error ? error.message : String(error) };
      this.log.add("session", `the desktop did not start: ${String(error)}`);
      throw error;
    }
  }

  /** Not asked for by anybody: what was on the display is lost, a new one takes its place. */
  async #ended(session: Session, ending: string): Promise<void> {
    if (this.#state.state !== "running" || this.#state.session !== session) return;
    this.#state = { state: "stopped" };
    this.#lastEnd = ending;
    this.log.add("session", `display :${session.display} ended: ${ending}`);
    this.host.onNotice("the desktop's display ended; its programs are lost", { ending });
    await session[Symbol.asyncDispose]();
    if (this.#isClosed) return;
    const now = performance.now();
    const recent = this.#restarts.filter((at) => now - at < RESTART_WINDOW_MS);
    if (recent.length >= MOST_RESTARTS) {
      this.#state = { state: "failed", reason: `the display ended too often, the last time: ${ending}` };
      return;
    }
    this.#restarts.push(now);
    // What is wrong is in the log and the state; nobody waits for this.
    await this.use("display", session.display).catch(() => undefined);
  }
}
