import { describe, expect, test } from "bun:test";
import { ZmtpConnection, type ZmtpMessage } from "../../../src/engine/jupyter/zmtp-connection.ts";
import { encodeFrame, FrameParser, ZmtpError, type Frame } from "../../../src/engine/jupyter/zmtp-frame.ts";
import { greeting, ready } from "../../../src/engine/jupyter/zmtp-handshake.ts";
import { randomNumbers } from "../../support/random.ts";

const LIMITS = { messageBytes: 1000, frames: 8 };
const text = (value: string) => new TextEncoder().encode(value);
const connection = (type: "DEALER" | "SUB" = "DEALER") => new ZmtpConnection(type, "me", LIMITS);
/** What a kernel's socket sends until traffic begins. */
const opening = (socketType = "ROUTER") => Buffer.concat([greeting(), command(readyOf(socketType))]);
const command = (body: Uint8Array) => Buffer.concat(encodeFrame("command", body, false));
const message = (...frames: Uint8Array[]) =>
  Buffer.concat(frames.flatMap((body, i) => encodeFrame("message", body, i < frames.length - 1)));

/** A READY command that says to be any type of socket. */
function readyOf(socketType: string): Uint8Array {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(socketType.length);
  return Buffer.concat([text("\x05READY"), text("\x0bSocket-Type"), value, text(socketType)]);
}

function opened(type: "DEALER" | "SUB" = "DEALER"): ZmtpConnection {
  const made = connection(type);
  made.receive(opening(type === "SUB" ? "XPUB" : "ROUTER"));
  return made;
}

function shown(messages: readonly ZmtpMessage[]): (string | number)[][] {
  return messages.map((frames) =>
    frames.map((frame) => (frame instanceof Uint8Array ? Buffer.from(frame).toString() : frame.skippedBytes)),
  );
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ZmtpError) return error.message;
    throw error;
  }
  throw new Error("expected a ZmtpError, but nothing was thrown");
}

describe("the handshake", () => {
  test("opens with a greeting, answers one with READY, and is over with the peer's", () => {
    const mine = connection();
    expect(Buffer.concat(mine.begin()).toString("latin1")).toBe(Buffer.from(greeting()).toString("latin1"));
    expect(mine.receive(greeting()).reply.map((part) => part.byteLength)).toEqual([
      2,
      ready("DEALER", "me").byteLength,
    ]);
    expect(mine.isOpen).toBe(false);
    mine.receive(command(readyOf("ROUTER")));
    expect(mine.isOpen).toBe(true);
  });

  test("names the socket and its identity in READY", () => {
    const body = Buffer.from(ready("DEALER", "me")).toString("latin1");
    expect(body).toBe("\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me");
  });

  test("subscribes to everything as soon as it is over", () => {
    const { reply } = connection("SUB").receive(opening("PUB"));
    expect([...Buffer.concat(reply.slice(-2))]).toEqual([0, 1, 1]);
  });

  test("may come in single bytes, with traffic right behind it", () => {
    const mine = connection();
    const messages = [...Buffer.concat([opening(), message(text("a"), text("b"))])].flatMap(
      (byte) => mine.receive(Uint8Array.of(byte)).messages,
    );
    expect(shown(messages)).toEqual([["a", "b"]]);
  });

  test.each([
    ["another protocol", text("HTTP/1.1 400"), /does not speak ZMTP/],
    ["ZMTP 2", Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1), /ZMTP 1, not 3/],
    [
      "another mechanism",
      Buffer.concat([greeting().slice(0, 12), text("CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]),
      /"CURVE"/,
    ],
    ["a command before READY", Buffer.concat([greeting(), command(text("\x04PING\0\0"))]), /expected READY/],
    ["a message before READY", Buffer.concat([greeting(), message(text("x"))]), /before the handshake/],
    ["a refusal", Buffer.concat([greeting(), command(text("\x05ERROR\x04nope"))]), /refuses: "nope"/],
    ["a socket that cannot answer", opening("PUB"), /cannot speak to a PUB/],
    ["no type of socket", Buffer.concat([greeting(), command(text("\x05READY"))]), /what type of socket/],
    [
      "a property that is cut off",
      Buffer.concat([greeting(), command(text("\x05READY\x0bSocket-Type\0\0\0\x20R"))]),
      /cut off/,
    ],
    ["a command without a name", Buffer.concat([greeting(), command(text("\x09RE"))]), /no name/],
  ])("refuses %s", (_, bytes, reason) => {
    expect(refusal(() => connection().receive(bytes))).toMatch(reason);
  });

  test("lets nothing be sent before it is over", () => {
    expect(refusal(() => connection().send([text("x")]))).toMatch(/not over/);
  });
});

describe("traffic", () => {
  test("is read as it was written, whatever the sizes of frames", () => {
    const frames = [0, 1, 255, 256].map((size) => new Uint8Array(size).fill(120));
    const bytes = Buffer.concat(opened().send(frames));
    const { messages } = opened().receive(bytes);
    expect(messages[0]?.map((frame) => (frame instanceof Uint8Array ? frame.byteLength : -1))).toEqual([
      0, 1, 255, 256,
    ]);
  });

  test("answers PING with what came in it, and passes over other commands", () => {
    const mine = opened();
    const { reply } = mine.receive(
      Buffer.concat([command(text("\x04PING\0\x10abc")), command(text("\x03NEW"))]),
    );
    expect(Buffer.concat(reply).toString("latin1")).toBe("\x04\x08\x04PONGabc");
  });

  test("skips what is too large to be held, and goes on after it", () => {
    const large = new Uint8Array(5000);
    const { messages } = opened().receive(
      Buffer.concat([message(text("head"), large, text("tail")), message(text("next"))]),
    );
    expect(shown(messages)).toEqual([["head", 5000, "tail"], ["next"]]);
  });

  test("counts the bytes of all frames of a message", () => {
    const part = new Uint8Array(400).fill(97);
    const { messages } = opened().receive(message(part, part, part, text("end")));
    expect(messages[0]?.map((frame) => (frame instanceof Uint8Array ? "held" : "skipped"))).toEqual([
      "held",
      "held",
      "skipped",
      "held",
    ]);
  });

  test.each([
    ["reserved bits", Uint8Array.of(0x80, 0), /reserved/],
    ["a command in parts", Uint8Array.of(0x05, 0), /more of it/],
    ["a huge command", Uint8Array.of(0x06, 0, 0, 0, 0, 1, 0, 0, 0), /a command of/],
    ["an uncountable length", Uint8Array.of(0x02, 255, 255, 255, 255, 255, 255, 255, 255), /counted/],
    [
      "frames without end",
      Buffer.concat(Array.from({ length: 9 }, () => Uint8Array.of(1, 0))),
      /more than 8 frames/,
    ],
  ])("refuses %s", (_, bytes, reason) => {
    expect(refusal(() => opened().receive(bytes))).toMatch(reason);
  });

  test("takes memory for what has come, not for what was announced", () => {
    const parser = new FrameParser();
    const head = Buffer.alloc(9);
    head[0] = 2;
    head.writeBigUInt64BE(2n ** 40n, 1);
    const before = process.memoryUsage().arrayBuffers;
    expect([...parser.push(Buffer.concat([head, Buffer.alloc(100)]), () => 2 ** 50)]).toEqual([]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  });
});

describe("any bytes", () => {
  /** Valid traffic, then damaged at random places and cut at others. */
  function damaged(random: (below: number) => number): Uint8Array[] {
    const frames = Array.from({ length: 1 + random(5) }, () => new Uint8Array(random(600)).fill(random(256)));
    const whole = Buffer.concat([
      opening(),
      message(...frames),
      command(text("\x04PING\0\0x")),
      message(...frames),
    ]);
    const bytes = Buffer.from(whole);
    for (let i = random(4); i > 0; i--) bytes[random(bytes.byteLength)] = random(256);
    const end = random(3) === 0 ? random(bytes.byteLength) : bytes.byteLength;
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < end;) {
      const next = Math.min(end, at + 1 + random(200));
      pieces.push(bytes.subarray(at, next));
      at = next;
    }
    if (random(4) === 0) pieces.reverse();
    return pieces;
  }

  test("lead to messages within the bounds or to a clear error, never to anything else", () => {
    let [messages, errors] = [0, 0];
    for (let seed = 0; seed < 4000; seed++) {
      const mine = connection();
      try {
        for (const piece of damaged(randomNumbers(seed)))
          for (const frames of mine.receive(piece).messages) {
            messages++;
            const held = frames.filter((frame) => frame instanceof Uint8Array);
            expect(held.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThanOrEqual(
              LIMITS.messageBytes,
            );
            expect(frames.length).toBeLessThanOrEqual(LIMITS.frames);
          }
      } catch (error) {
        if (!(error instanceof ZmtpError)) throw new Error(`seed ${seed}`, { cause: error });
        errors++;
      }
    }
    // Of both kinds there were many, or the damage is not what it should be.
    expect(messages).toBeGreaterThan(1000);
    expect(errors).toBeGreaterThan(500);
  });

  test("cut anywhere give the same frames", () => {
    const bytes = message(text("one"), new Uint8Array(300).fill(1), text(""));
    const read = (pieces: readonly Uint8Array[]) => {
      const parser = new FrameParser();
      return pieces.flatMap((piece): Frame[] => [...parser.push(piece, () => 1000)]);
    };
    const whole = read([bytes]);
    for (let at = 0; at <= bytes.byteLength; at++)
      expect(read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
  });
});
