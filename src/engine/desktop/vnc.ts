import { connect, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { EngineError } from "../error.ts";
import type { Desktop } from "./desktop.ts";
import type { Session } from "./session.ts";
import { checkPassword, passwordFile, randomPassword } from "./vnc-password.ts";

export interface VncFacts {
  readonly display: number;
  /** On 127.0.0.1; undefined while the door is closed. */
  readonly port: number | undefined;
  readonly password: string;
  readonly viewPassword: string;
  readonly viewers: number;
}

export interface VncStart {
  /** 6 to 8 bytes; default: one is made. */
  readonly password?: string | undefined;
  readonly display?: number | undefined;
  /** Default: 5900 and the number of the display, or any other when that is taken. */
  readonly port?: number | undefined;
}

interface Passwords {
  readonly full: string;
  readonly viewOnly: string;
}

const LOOPBACK = "127.0.0.1";
const FIRST_PORT = 5900;
const FIRST_DISPLAY = 1;
/** Each holds a connection of the display and its buffers. */
const MOST_VIEWERS = 32;

/**
 * The doors for people who look on: a port of this machine, and connections that the API makes. The display
 * itself listens on a file only, so that closing the doors leaves it and its programs as they are.
 */
export class Vnc implements AsyncDisposable {
  readonly #desktop: Desktop;
  readonly #viewers = new Set<Socket>();
  #server: Server | undefined;
  #passwords: Passwords | undefined;

  constructor(desktop: Desktop) {
    this.#desktop = desktop;
    // After a display that died the new one asks for the same passwords.
    desktop.onStart((session) => {
      if (this.#passwords) this.#ensurePasswords(session);
    });
  }

  /** Undefined while there is no display or no door is open. */
  get facts(): VncFacts | undefined {
    const passwords = this.#passwords;
    const { state } = this.#desktop;
    if (!passwords || state.state !== "running") return undefined;
    return {
      display: state.session.display,
      port: this.#port,
      password: passwords.full,
      viewPassword: passwords.viewOnly,
      viewers: this.#viewers.size,
    };
  }

  /**
   * Opens the port. Where it is open already a new password or another port counts; whoever looks on stays.
   * @throws EngineError as `Desktop.use`, `invalid`, `conflict` for another display than there is, or a port that
   * cannot be had.
   */
  async start({ password, display, port }: VncStart = {}): Promise<void> {
    if (password !== undefined) checkPassword(password);
    const session = await this.#desktop.use("display", display);
    // The first is what libraries name when nobody has chosen one.
    if (display !== undefined && display !== FIRST_DISPLAY && display !== session.display)
      throw new EngineError("conflict", `Cannot use display :${display}: the desktop is :${session.display}`);
    if (port !== undefined && port !== this.#port) await this.#move(port);
    this.#ensurePasswords(session, password);
    this.#server ??= await this.#listen(FIRST_PORT + session.display);
  }

  /** Closes the port and sends everybody away; the next start has other passwords. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#passwords = undefined;
    for (const viewer of this.#viewers) viewer.destroy();
    const { state } = this.#desktop;
    if (state.state === "running")
      state.session.files.write("password", passwordFile(randomPassword(), randomPassword()));
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  /** What viewers of this desktop show; made where there are none yet. @throws EngineError as `Desktop.use`. */
  async passwords(): Promise<{ readonly password: string; readonly viewPassword: string }> {
    const { full, viewOnly } = this.#ensurePasswords(await this.#desktop.use());
    return { password: full, viewPassword: viewOnly };
  }

  /** A connection to the display that speaks RFB. @throws EngineError `busy`, or as `Desktop.use`. */
  async connect(): Promise<Socket> {
    const session = await this.#desktop.use();
    this.#ensurePasswords(session);
    if (this.#viewers.size >= MOST_VIEWERS)
      throw new EngineError("busy", `Cannot look on: ${MOST_VIEWERS} others do, which is the limit`);
    const socket = connect(session.files.socket("vnc"));
    this.#viewers.add(socket);
    socket.once("close", () => this.#viewers.delete(socket));
    await once(socket, "connect");
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #port(): number | undefined {
    const address = this.#server?.address();
    return typeof address === "object" && address !== null ? address.port : undefined;
  }

  #ensurePasswords(session: Session, wanted?: string): Passwords {
    const now = this.#passwords;
    const full = wanted ?? now?.full ?? randomPassword();
    const viewOnly = now?.viewOnly ?? randomPassword();
    session.files.write("password", passwordFile(full, viewOnly));
    return (this.#passwords = { full, viewOnly });
  }

  /** The port that viewers expect of this display, or any other when somebody has that. */
  async #listen(port: number): Promise<Server> {
    try {
      return await this.#listenAt(port);
    } catch {
      return this.#listenAt(0);
    }
  }

  async #move(port: number): Promise<void> {
    const before = this.#server;
    try {
      this.#server = await this.#listenAt(port);
    } catch (cause) {
      const found = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError("conflict", `Cannot let VNC viewers in at port ${port}: ${found}`, { cause });
    }
    // Nobody new comes in there; not waited for, because those who look on hold it open.
    before?.close();
  }

  async #listenAt(port: number): Promise<Server> {
    const server = createServer({ pauseOnConnect: true }, (viewer) => void this.#serve(viewer));
    server.listen(port, LOOPBACK);
    await once(server, "listening");
    server.unref();
    return server;
  }

  /** Whoever does not read holds up only itself: nothing is read for it meanwhile. */
  async #serve(viewer: Socket): Promise<void> {
    viewer.on("error", () => viewer.destroy());
    try {
      const display = await this.connect();
      const end = () => {
        viewer.destroy();
        display.destroy();
      };
      display.on("error", end).once("close", end);
      viewer.once("close", end);
      viewer.pipe(display);
      display.pipe(viewer);
      viewer.resume();
    } catch {
      // Without a display there is nothing to look at; the API says why.
      viewer.destroy();
    }
  }
}
