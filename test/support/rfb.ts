import { createCipheriv } from "node:crypto";
import { connect, type Socket } from "node:net";
import { once } from "node:events";

/** A VNC viewer that knows only as much of the protocol (RFC 6143) as the tests need. */
export class RfbViewer implements AsyncDisposable {
  #read = Buffer.alloc(0);
  #arrived: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(readonly socket: Socket) {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      this.#read = Buffer.concat([this.#read, Buffer.from(bytes)]);
      this.#wake();
    });
    socket.on("close", () => this.#wake());
  }

  /** Connects and says the password. @throws Error with the server's words when it is refused. */
  static async open(port: number, password: string): Promise<RfbViewer> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const viewer = new RfbViewer(socket);
    await viewer.take(12);
    socket.write("RFB 003.008\n");
    const [count = 0] = await viewer.take(1);
    await viewer.take(count);
    const VNC_AUTHENTICATION = 2;
    socket.write(Buffer.from([VNC_AUTHENTICATION]));
    socket.write(answer(await viewer.take(16), password));
    if ((await viewer.take(4)).readUInt32BE(0) !== 0) {
      const length = (await viewer.take(4)).readUInt32BE(0);
      throw new Error((await viewer.take(length)).toString());
    }
    const SHARED = 1;
    socket.write(Buffer.from([SHARED]));
    const init = await viewer.take(24);
    await viewer.take(init.readUInt32BE(20));
    return viewer;
  }

  /** Asks for the whole screen, whether it has changed or not. */
  requestScreen(width: number, height: number): void {
    const message = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.writeUInt16BE(width, 6);
    message.writeUInt16BE(height, 8);
    this.socket.write(message);
  }

  click(x: number, y: number): void {
    for (const buttons of [0, 1, 0]) {
      const message = Buffer.from([5, buttons, 0, 0, 0, 0]);
      message.writeUInt16BE(x, 2);
      message.writeUInt16BE(y, 4);
      this.socket.write(message);
    }
  }

  async take(count: number): Promise<Buffer> {
    while (this.#read.byteLength < count) {
      if (this.socket.destroyed) throw new Error("the server has hung up");
      await this.#arrived.promise;
    }
    const taken = this.#read.subarray(0, count);
    this.#read = this.#read.subarray(count);
    return taken;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    return Promise.resolve();
  }

  #wake(): void {
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }
}

/** The challenge, encrypted with the password, whose bytes have their bits in reverse. */
function answer(challenge: Buffer, password: string): Buffer {
  const reversed = Buffer.from(password.padEnd(8, "\0").slice(0, 8), "latin1").map((byte) =>
    parseInt(byte.toString(2).padStart(8, "0").split("").toReversed().join(""), 2),
  );
  const cipher = createCipheriv("des-ecb", reversed, null).setAutoPadding(false);
  return Buffer.concat([cipher.update(challenge), cipher.final()]);
}
