import { signal } from "@preact/signals";
import { describe, openSocket } from "../api.ts";
import { isOver, reachable } from "../connection.ts";

/** What one run tells, as the page shows it. */
export type Output =
  | { readonly kind: "text"; readonly stream: "stdout" | "stderr"; text: string }
  | { readonly kind: "rich"; data: Bundle; readonly displayId: string | undefined }
  | { readonly kind: "failure"; readonly title: string; readonly traceback: readonly string[] }
  | { readonly kind: "note"; readonly text: string };

export type Bundle = Readonly<Record<string, unknown>>;

export type RunState =
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly since: number }
  | { readonly kind: "reconnecting" }
  | { readonly kind: "ended"; readonly isGood: boolean; readonly text: string; readonly seconds: number };

export interface Question {
  readonly prompt: string;
  readonly isPassword: boolean;
}

/** Fields of the messages of docs/streams.md that are read here. */
interface Message {
  readonly type: string;
  readonly run_id?: string;
  readonly data?: unknown;
  readonly offset?: number;
  readonly length?: number;
  readonly stream?: string;
  readonly kind?: string;
  readonly index?: number;
  readonly display_id?: string;
  readonly name?: string;
  readonly error?: string;
  readonly traceback?: readonly string[];
  readonly prompt?: string;
  readonly password?: boolean;
  readonly execution_time?: number;
  readonly exit_code?: number;
  readonly end?: { readonly description: string };
  readonly refused?: string;
}

/** Characters of text that are kept on the page; of more the oldest are left out. */
const MOST_TEXT = 1_000_000;
const MOST_OUTPUTS = 2000;

/** A run that is watched, across breaks of the connection. */
export class LiveRun {
  readonly state = signal<RunState>({ kind: "starting" });
  readonly question = signal<Question | undefined>(undefined);
  /** Grows when `outputs` has changed, at most once a frame. */
  readonly version = signal(0);
  readonly done = Promise.withResolvers<undefined>();
  outputs: Output[] = [];
  #socket: WebSocket | undefined;
  #runId: string | undefined;
  #cursor = { stdout: 0, stderr: 0, rich: 0 };
  #ended: { text: string; seconds: number } | undefined;
  #clearsAtNext = false;
  #isDrawing = false;
  readonly #gone = new AbortController();

  /** @param path One of the sockets that run something. */
  constructor(
    readonly path: string,
    message: object,
  ) {
    void this.#connect({ type: "execute", resumable: true, stdin_open: true, ...message });
  }

  /** Ctrl-C; a second time it is ended by force. */
  #hasAsked = false;
  stop(): void {
    this.#send({ type: this.#hasAsked ? "cancel" : "interrupt" });
    this.#hasAsked = true;
  }

  get isStopping(): boolean {
    return this.#hasAsked;
  }

  answer(text: string): void {
    this.question.value = undefined;
    this.#send({ type: "stdin", data: `${text}\n` });
  }

  close(): void {
    this.#gone.abort();
    this.#socket?.close();
  }

  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #connect(first: object): Promise<void> {
    try {
      const socket = await openSocket(this.path);
      if (this.#gone.signal.aborted) return;
      this.#socket = socket;
      socket.onopen = () => this.#send(first);
      socket.onmessage = ({ data }) => this.#take(JSON.parse(String(data)) as Message);
      socket.onclose = ({ reason }) => void this.#lost(reason);
    } catch (error) {
      if (this.#runId === undefined) this.#finish(false, describe(error));
      else await this.#lost(describe(error));
    }
  }

  /** The run waits for its client, and is gone on with where it was. */
  async #lost(reason: string): Promise<void> {
    if (this.#gone.signal.aborted || this.state.value.kind === "ended") return;
    if (this.#runId === undefined) {
      this.#finish(false, reason === "" ? "The connection was lost before it began." : reason);
      return;
    }
    this.state.value = { kind: "reconnecting" };
    await new Promise((resolve) => setTimeout(resolve, 500));
    await reachable(this.#gone.signal);
    if (isOver(this.#gone.signal)) return;
    await this.#connect({ type: "resume", run_id: this.#runId, cursor: this.#cursor });
  }

  #take(message: Message): void {
    this.#runId ??= message.run_id;
    if (this.state.value.kind !== "running" && message.run_id !== undefined)
      this.state.value = { kind: "running", since: Date.now() };
    this.#count(message);
    switch (message.type) {
      case "stdout":
      case "stderr":
        this.#text(message.type, String(message.data));
        break;
      case "rich":
        this.#rich(message);
        break;
      case "dropped":
        this.#add({
          kind: "note",
          text: `${message.length ?? 0} bytes of ${message.stream ?? "output"} are not kept.`,
        });
        break;
      case "input_request":
        this.question.value = { prompt: message.prompt ?? "", isPassword: message.password ?? false };
        break;
      case "error":
        this.#failed(message);
        break;
      case "result":
        this.#ended = { text: message.end?.description ?? "ended", seconds: message.execution_time ?? 0 };
        break;
      case "complete":
        this.#finish(
          (message as { success?: boolean }).success === true,
          this.#ended?.text ?? "It did not start.",
        );
    }
    this.#draw();
  }

  /** Where to go on after a break. */
  #count({ type, offset = 0, length = 0, stream, index }: Message): void {
    const told = type === "dropped" ? stream : type;
    if (told === "stdout" || told === "stderr") this.#cursor[told] = offset + length;
    else if (index !== undefined) this.#cursor.rich = index + 1;
  }

  #failed({ refused, name, error = "", traceback = [] }: Message): void {
    // A stop of what has just ended says nothing to the person.
    if (refused !== undefined && refused !== "execute" && refused !== "resume") return;
    this.#add({ kind: "failure", title: error, traceback: name === undefined ? [] : traceback });
    if (refused === "resume") this.#finish(false, "The run was not waited for any more.");
  }

  #text(stream: "stdout" | "stderr", text: string): void {
    const last = this.outputs.at(-1);
    if (last?.kind === "text" && last.stream === stream && !this.#clearsAtNext) {
      last.text += text;
      if (last.text.length > MOST_TEXT)
        last.text = `[earlier output is left out]\n${last.text.slice(-MOST_TEXT / 2)}`;
    } else this.#add({ kind: "text", stream, text });
  }

  #rich({ kind, data, display_id: displayId, ...rest }: Message): void {
    if (kind === "clear") {
      if ((rest as { wait?: boolean }).wait === true) this.#clearsAtNext = true;
      else this.outputs = [];
      return;
    }
    // The protocol's own shape: values by MIME type.
    const bundle = data as Bundle;
    if (kind === "display_update") {
      for (const output of this.outputs)
        if (output.kind === "rich" && output.displayId === displayId) output.data = bundle;
      return;
    }
    this.#add({ kind: "rich", data: bundle, displayId });
  }

  #add(output: Output): void {
    if (this.#clearsAtNext) this.outputs = [];
    this.#clearsAtNext = false;
    this.outputs.push(output);
    if (this.outputs.length > MOST_OUTPUTS) this.outputs.shift();
  }

  #finish(isGood: boolean, text: string): void {
    this.question.value = undefined;
    this.state.value = { kind: "ended", isGood, text, seconds: this.#ended?.seconds ?? 0 };
    this.#gone.abort();
    this.#socket?.close();
    this.#draw();
    this.done.resolve(undefined);
  }

  #draw(): void {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.version.value++;
    });
  }
}
