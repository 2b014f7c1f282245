import { EngineError } from "../error.ts";
import type { Channel, JupyterClient } from "../jupyter/client.ts";
import { newMessageId } from "../jupyter/client.ts";
import type { KernelMessage } from "../jupyter/kernel-message.ts";
import type { ProcessRun } from "../process/process-run.ts";
import type { RunOutcome, RunUsage } from "../run.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { KernelRequest, type RequestListener } from "./kernel-request.ts";
import type { KernelControl } from "./kernel-control.ts";
import { discardLaunched, type Launched } from "./launch.ts";

/** Requests whose late output is still told to them, such as what a thread prints after its cell has ended. */
const REMEMBERED_REQUESTS = 32;
/** A kernel that said one half of "finished" says the other within moments, or was interrupted in between. */
const ASK_AFTER_MS = 250;
/** Between hanging up and the end of its process; a kernel that cleans up takes a while. */
const HANG_UP_MS = 5000;
/** What a dying kernel has sent is read within moments. */
const LAST_WORDS_MS = 1000;

/** One kernel that answers: its process and the requests made to it. Knows nothing of queues, contexts and runs. */
export class Kernel implements AsyncDisposable {
  readonly kind: KernelKind;
  readonly process: ProcessRun;
  readonly pid: number;
  /** Settles when the process has ended and all that it had sent has been heard. */
  readonly died: Promise<RunOutcome>;
  readonly #launched: Launched;
  readonly #client: JupyterClient;
  readonly #requests: Map<string, KernelRequest>;
  #death: RunOutcome | undefined;
  #lastUsage: RunUsage;
  /** Why it was of no use any more, when that is what ended it. */
  #uselessness: string | undefined;

  /** @param requests Those made so far; what the client hears is looked up there. */
  constructor(
    kind: KernelKind,
    launched: Launched,
    client: JupyterClient,
    requests: Map<string, KernelRequest>,
  ) {
    this.kind = kind;
    this.process = launched.process;
    this.pid = launched.process.pid ?? 0;
    this.#launched = launched;
    this.#client = client;
    this.#requests = requests;
    this.#lastUsage = launched.process.usage;
    this.died = this.#watch();
  }

  /** Makes copies of it; undefined where that is not possible. */
  get control(): KernelControl | undefined {
    return this.#launched.control;
  }

  /** How the process ended; undefined while it lives. */
  get death(): RunOutcome | undefined {
    return this.#death;
  }

  /** What `look` found last; before that, what it took to start. */
  get lastUsage(): RunUsage {
    return this.#lastUsage;
  }

  /** What it has used so far. Several files are read for it, so it is asked for once a run. */
  look(): RunUsage {
    this.#lastUsage = this.process.usage;
    return this.#lastUsage;
  }

  /**
   * Sends code to be executed.
   * @param listener Told everything that the kernel says about it.
   * @throws EngineError `too_large`, `unavailable` when the kernel has hung up.
   */
  execute(
    code: string,
    { silent, allowStdin }: { readonly silent: boolean; readonly allowStdin: boolean },
    listener: RequestListener,
  ): KernelRequest {
    return this.#request(
      "execute_request",
      {
        code,
        silent,
        store_history: !silent,
        user_expressions: {},
        allow_stdin: allowStdin,
        // It would also throw away what is asked next, which is another run.
        stop_on_error: false,
      },
      listener,
    );
  }

  /** Executes code that is nobody's run; nothing of it shows. @throws EngineError `unavailable` when it fails. */
  async executeSilently(code: string): Promise<void> {
    const request = this.execute(code, { silent: true, allowStdin: false }, () => undefined);
    const reply = await Promise.race([request.finished, this.died]);
    const isDone = reply !== "lost" && "type" in reply && reply.type === "execute_reply";
    if (isDone && reply.status === "ok") return;
    const why = isDone ? `${reply.failure.name}: ${reply.failure.message}` : "it does not reply";
    throw new EngineError("unavailable", `Cannot prepare a ${this.kind.title} kernel: ${why}`);
  }

  /** Answers the kernel's question for a line of input. */
  answer(value: string): void {
    this.#client.send("stdin", "input_reply", { value });
  }

  /** Asks the kernel to stop what it executes. It may take its time or not heed it. */
  interrupt(): void {
    if (this.process.hasEnded) return;
    if (this.kind.spec.interruptMode === "message") this.#client.send("control", "interrupt_request", {});
    // The kernel and the programs it runs, as a terminal would; what made a session of its own goes on.
    else process.kill(-this.pid, "SIGINT");
  }

  /**
   * Asks it something, so that it looks up: ipykernel notices a signal that came while it awaits something only when
   * the next message comes (tornado's add_callback does not wake a loop from its own thread). Not while it may be about
   * to reply: ipykernel 7.0 to 7.3 can lose what arrives in the moment of a reply, and all that follows
   * (ipython/ipykernel #1554).
   */
  wake(): void {
    this.#ask();
  }

  /** Told when a channel is over: nobody can speak to the process any more, so it ends too. */
  hungUp(channel: Channel, cause: Error | undefined): void {
    const timer = setTimeout(() => {
      if (this.process.hasEnded) return;
      this.#uselessness = `the kernel hung up on its ${channel} channel${cause ? ` (${cause.message})` : ""}`;
      void this.process.cancel("requested");
    }, HANG_UP_MS);
    timer.unref();
    void this.process.outcome.then(() => clearTimeout(timer));
  }

  /** Ends the process and everything it started, and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.destroy();
    await this.died;
  }

  #request(
    type: string,
    content: Readonly<Record<string, unknown>>,
    listener: RequestListener,
  ): KernelRequest {
    const request: KernelRequest = new KernelRequest(newMessageId(), listener, () => this.#askSoon(request));
    this.#client.send("shell", type, content, request.id);
    this.#requests.set(request.id, request);
    forgetOldest(this.#requests);
    return request;
  }

  /** A kernel answers in order: when it has answered a question asked now, the missing half never comes. */
  #askSoon(request: KernelRequest): void {
    const timer = setTimeout(() => {
      if (!request.isFinished) void this.#ask()?.finished.then(() => request.giveUp());
    }, ASK_AFTER_MS);
    timer.unref();
    void request.finished.then(() => clearTimeout(timer));
  }

  #ask(): KernelRequest | undefined {
    try {
      return this.#request("kernel_info_request", {}, () => undefined);
    } catch {
      // It has hung up: its death ends every request.
      return undefined;
    }
  }

  async #watch(): Promise<RunOutcome> {
    const outcome = await this.process.outcome;
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), LAST_WORDS_MS);
    await Promise.race([this.#client.closed, late.promise]);
    clearTimeout(timer);
    this.#client[Symbol.dispose]();
    await discardLaunched(this.#launched);
    const lost = this.#uselessness;
    this.#death = lost === undefined ? outcome : { ...outcome, end: { cause: "lost", message: lost } };
    return this.#death;
  }
}

/** Hands what a kernel says to the request that it is about. */
export function hearKernel(
  requests: ReadonlyMap<string, KernelRequest>,
  channel: Channel,
  message: KernelMessage,
  parentId: string,
): Promise<void> | undefined {
  return requests.get(parentId)?.hear(channel, message);
}

function forgetOldest(requests: Map<string, KernelRequest>): void {
  for (const [id, request] of requests) {
    if (requests.size <= REMEMBERED_REQUESTS) return;
    if (request.isFinished) requests.delete(id);
  }
}
