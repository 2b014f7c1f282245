import { signal } from "@preact/signals";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { ApiError, describe, json, openSocket } from "../api.ts";
import { isOver, reachable } from "../connection.ts";

/** Fields of the messages of docs/terminals.md that are read here. */
interface Message {
  readonly type: string;
  readonly data?: string;
  readonly offset?: number;
  readonly length?: number;
  readonly error?: string;
  readonly end?: { readonly description: string };
}

export type ScreenState =
  | { readonly kind: "connecting" | "open" | "lost" | "taken" }
  | { readonly kind: "ended"; readonly text: string };

const TAKEN_OVER = 4001;

/** A terminal on the page, attached to a session of the sandbox. */
export class Screen {
  readonly state = signal<ScreenState>({ kind: "connecting" });
  readonly terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #gone = new AbortController();
  readonly #observer = new ResizeObserver(() => this.fit());
  #socket: WebSocket | undefined;
  #offset = 0;
  /** Up to here output is old: what the emulator answers to questions in it was answered then. */
  #replayEnd = 0;
  #written = 0;

  constructor(
    readonly session: string,
    readonly host: HTMLElement,
    readonly isViewer: boolean,
  ) {
    this.terminal = new Terminal({
      fontFamily: getComputedStyle(host).getPropertyValue("--mono"),
      fontSize: 13,
      cursorBlink: true,
      scrollback: 10_000,
      disableStdin: isViewer,
      screenReaderMode: true,
    });
    this.terminal.loadAddon(this.#fit);
    this.terminal.open(host);
    this.terminal.onData((data) => {
      if (this.#written >= this.#replayEnd) this.#send({ type: "input", data });
    });
    this.terminal.onResize(({ cols, rows }) => this.#send({ type: "resize", cols, rows }));
    this.#observer.observe(host);
    this.recolour();
    this.fit();
    void this.#connect(true);
  }

  /** Takes the session back from whoever has taken it. */
  retake(): void {
    void this.#connect(true);
  }

  /** Starts the program of a session that has ended once more. */
  restart(): void {
    void this.#connect(true, { restart: "1" });
  }

  fit(): void {
    // A hidden element has no size to fit to.
    if (this.host.clientWidth > 0 && this.host.clientHeight > 0) this.#fit.fit();
  }

  focus(): void {
    this.fit();
    this.terminal.focus();
  }

  recolour(): void {
    const style = getComputedStyle(this.host);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
    const bright = names.map((name) => [`bright${name[0]?.toUpperCase() ?? ""}${name.slice(1)}`] as const);
    this.terminal.options.theme = {
      background: colour("--field"),
      foreground: colour("--text"),
      cursor: colour("--accent"),
      cursorAccent: colour("--field"),
      selectionBackground: colour("--selection"),
      ...Object.fromEntries(names.map((name, index) => [name, colour(`--ansi-${index}`)])),
      ...Object.fromEntries(bright.map(([name], index) => [name, colour(`--ansi-${index + 8}`)])),
    };
  }

  close(): void {
    this.#gone.abort();
    this.#observer.disconnect();
    this.#socket?.close();
    this.terminal.dispose();
  }

  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #connect(takeover: boolean, more: Record<string, string> = {}): Promise<void> {
    this.state.value = { kind: "connecting" };
    const { cols, rows } = this.terminal;
    const role: Record<string, string> = this.isViewer
      ? { mode: "viewer" }
      : takeover
        ? { takeover: "1" }
        : {};
    const query = {
      session: this.session,
      since: String(this.#offset),
      cols: String(cols),
      rows: String(rows),
    };
    try {
      const { output_offset: printed } = await json<{ output_offset: number }>(
        `terminal/sessions/${this.session}`,
      );
      this.#replayEnd = printed;
      const socket = await openSocket("terminal", {
        query: { ...query, ...role, ...more },
        viewOnly: this.isViewer,
      });
      if (this.#gone.signal.aborted) {
        socket.close();
        return;
      }
      this.#socket = socket;
      socket.onopen = () => {
        this.state.value = { kind: "open" };
        const { cols, rows } = this.terminal;
        this.#send({ type: "resize", cols, rows });
      };
      socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)) as Message);
      socket.onclose = ({ code }) => void this.#closed(code);
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      const isBreak = error instanceof ApiError && (error.status === 0 || error.status === 401);
      if (isBreak) void this.#closed(0);
      else this.state.value = { kind: "ended", text: describe(error) };
    }
  }

  #take({ type, data = "", offset = 0, length = 0, error, end }: Message): void {
    if (type === "output") {
      this.#offset = offset + length;
      this.terminal.write(data, () => (this.#written = offset + length));
    } else if (type === "dropped") {
      this.#offset = offset + length;
      this.terminal.write("\r\n\x1b[2m[earlier output is not kept]\x1b[0m\r\n");
    } else if (type === "exit")
      this.state.value = { kind: "ended", text: end?.description ?? "The program has ended." };
    else if (type === "error") this.terminal.write(`\r\n\x1b[31m${error ?? ""}\x1b[0m\r\n`);
  }

  async #closed(code: number): Promise<void> {
    if (this.#gone.signal.aborted) return;
    if (code === TAKEN_OVER) this.state.value = { kind: "taken" };
    if (code === TAKEN_OVER || this.state.value.kind === "ended") return;
    this.state.value = { kind: "lost" };
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await reachable(this.#gone.signal);
    // Its last connection may not have been noticed to be gone yet.
    if (!isOver(this.#gone.signal)) await this.#connect(true);
  }
}
