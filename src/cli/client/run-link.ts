import { send } from "./messages.ts";

const INPUT_BYTES = 64 * 1024;

/** What the person here gives the run: input, and interrupts; it moves on to the next connection. */
export class RunLink implements Disposable {
  #socket: WebSocket | undefined;
  #interrupts = 0;
  /** Not known to have arrived, so said again on the next connection: an interrupt, and a piece of input. */
  #interrupt: object | undefined;
  #piece: object | undefined;
  #isReading = false;
  #acknowledged: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #onInterrupt = () => {
    // Whoever asks a second time means it; who asks a third time does not want to wait for the daemon.
    if (++this.#interrupts > 2) process.exit(130);
    const message = { type: this.#interrupts === 1 ? "interrupt" : "cancel" };
    if (this.#socket?.readyState === WebSocket.OPEN) send(this.#socket, message);
    else this.#interrupt = message;
  };

  constructor(readonly takesInput: boolean) {
    process.on("SIGINT", this.#onInterrupt);
  }

  /** The run is told on this socket from now on. */
  attach(socket: WebSocket): void {
    if (this.#socket === socket) return;
    this.#socket = socket;
    if (this.#interrupt) send(socket, this.#interrupt);
    this.#interrupt = undefined;
    if (this.#piece) send(socket, this.#piece);
    if (this.takesInput && !this.#isReading) void this.#forwardInput();
  }

  /** The connection is gone. */
  detach(): void {
    this.#socket = undefined;
  }

  acknowledge(): void {
    this.#acknowledged.resolve();
    this.#acknowledged = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#onInterrupt);
  }

  /** A piece at a time: the next is read when the program over there has been given the one before. */
  async #forwardInput(): Promise<void> {
    this.#isReading = true;
    let offset = 0;
    for await (const chunk of Bun.stdin.stream()) {
      for (let at = 0; at < chunk.byteLength; at += INPUT_BYTES) {
        const bytes = chunk.subarray(at, at + INPUT_BYTES);
        const taken = this.#acknowledged.promise;
        this.#say({ type: "stdin", data: bytes.toBase64(), encoding: "base64", ack: true, offset });
        await taken;
        offset += bytes.byteLength;
      }
    }
    // Harmless when it is said twice.
    this.#say({ type: "stdin_end" });
  }

  #say(piece: object): void {
    this.#piece = piece;
    if (this.#socket) send(this.#socket, piece);
  }
}
