import { describe, expect, test } from "bun:test";
import { readKernelMessage } from "../../../src/engine/jupyter/kernel-message.ts";
import {
  decodeMessage,
  encodeMessage,
  MessageError,
  type Message,
} from "../../../src/engine/jupyter/message.ts";
import type { ZmtpMessage } from "../../../src/engine/jupyter/zmtp-connection.ts";
import { randomNumbers } from "../../support/random.ts";

const session = { id: "session", key: "a key" };
const encode = (type = "stream", content: Record<string, unknown> = { name: "stdout", text: "hi" }) =>
  encodeMessage(session, "id-1", type, content);
const frame = (value: string) => new TextEncoder().encode(value);

function refusal(frames: ZmtpMessage): string {
  try {
    decodeMessage(session, frames);
  } catch (error) {
    if (error instanceof MessageError) return error.message;
    throw error;
  }
  throw new Error("expected a MessageError, but nothing was thrown");
}

/** Frames of a message with these parts, signed as a kernel would. */
function signed(...parts: readonly string[]): Uint8Array[] {
  const hmac = new Bun.CryptoHasher("sha256", session.key);
  for (const part of parts) hmac.update(part);
  return [frame("<IDS|MSG>"), frame(hmac.digest("hex")), ...parts.map(frame)];
}

const HEADER = '{"msg_id":"k-1","msg_type":"status"}';

describe("a message", () => {
  test("is read as it was written", () => {
    const read = decodeMessage(session, encode());
    expect(read).toMatchObject({
      id: "id-1",
      type: "stream",
      parentId: "",
      content: { name: "stdout", text: "hi" },
    });
  });

  test("carries what the protocol wants in its header", () => {
    const [, , header] = encode();
    const fields = JSON.parse(Buffer.from(header ?? []).toString()) as Record<string, string>;
    expect(fields).toMatchObject({ msg_id: "id-1", msg_type: "stream", session: "session", version: "5.3" });
    expect(Date.parse(fields["date"] ?? "")).toBeGreaterThan(0);
    expect(fields["username"]).toBeString();
  });

  test("has its signature over the four parts, as the documents say", () => {
    const [, signature, ...parts] = encode();
    const expected = new Bun.CryptoHasher("sha256", session.key).update(Buffer.concat(parts)).digest("hex");
    expect(Buffer.from(signature ?? []).toString()).toBe(expected);
  });

  test("may have identities before it and buffers behind it", () => {
    const frames = [frame("identity"), frame("topic"), ...encode(), frame("buffer"), frame("more")];
    expect(decodeMessage(session, frames)).toMatchObject({ type: "stream", contentBytes: 39 });
  });

  test("names its request", () => {
    const frames = signed(HEADER, '{"msg_id":"request"}', "{}", '{"execution_state":"idle"}');
    expect(decodeMessage(session, frames).parentId).toBe("request");
  });

  test("may have text that is not UTF-8, as kernels send what was undecodable to them", () => {
    const content = Buffer.concat([frame('{"name":"stdout","text":"a'), Buffer.of(0xff), frame('b"}')]);
    const head = [HEADER, "{}", "{}"].map(frame);
    const hmac = new Bun.CryptoHasher("sha256", session.key).update(Buffer.concat([...head, content]));
    const read = decodeMessage(session, [frame("<IDS|MSG>"), frame(hmac.digest("hex")), ...head, content]);
    expect(read.content).toEqual({ name: "stdout", text: "a\u{fffd}b" });
  });

  test("of which the content was too large tells so", () => {
    const [delimiter, signature, header, parent, metadata] = encode();
    const frames = [delimiter, signature, header, parent, metadata].map((one) => one ?? frame(""));
    const read = decodeMessage(session, [...frames, { skippedBytes: 5_000_000 }]);
    expect(read).toMatchObject({ content: undefined, contentBytes: 5_000_000, type: "stream" });
    expect(readKernelMessage(read)).toEqual({ type: "oversized", of: "stream", bytes: 5_000_000 });
  });

  test.each<[string, ZmtpMessage, RegExp]>([
    ["nothing", [], /no <IDS\|MSG>/],
    ["no delimiter", encode().slice(1), /no <IDS\|MSG>/],
    ["too many identities", [...Array.from({ length: 20 }, () => frame("x")), ...encode()], /no <IDS\|MSG>/],
    ["too few frames", encode().slice(0, 4), /too few frames/],
    ["another key", encodeMessage({ ...session, key: "other" }, "x", "status", {}), /not signed/],
    ["no signature", encodeMessage({ ...session, key: "" }, "x", "status", {}), /not signed/],
    ["a changed content", encode().with(-1, frame('{"name":"stdout","text":"ho"}')), /not signed/],
    ["frames in another order", encode().with(2, encode()[5] ?? frame("")), /not signed/],
    ["no JSON", signed(HEADER, "{}", "{}", "{"), /content .* not JSON/],
    ["an array", signed(HEADER, "{}", "{}", "[]"), /not an object/],
    ["no type", signed('{"msg_id":"x"}', "{}", "{}", "{}"), /no msg_type/],
    ["JSON nested without end", signed(HEADER, "{}", "{}", `{"a":${"[".repeat(1_000_000)}`), /not JSON/],
    [
      "a header too large",
      [...encode().slice(0, 2), { skippedBytes: 10 }, ...encode().slice(3)],
      /too large/,
    ],
  ])("with %s is refused", (_, frames, reason) => {
    expect(refusal(frames)).toMatch(reason);
  });
});

describe("what a kernel says", () => {
  const said = (type: string, content: Record<string, unknown>) =>
    readKernelMessage({ id: "x", type, parentId: "", content, contentBytes: 0 });

  test("is read leniently: what is missing gets the neutral value", () => {
    expect(said("stream", {})).toEqual({ type: "stream", name: "stdout", text: "" });
    expect(said("execute_result", { data: null })).toEqual({ type: "execute_result", data: {}, count: 0 });
    expect(said("error", { traceback: "one line" })).toEqual({
      type: "error",
      name: "",
      message: "",
      traceback: [],
    });
    expect(said("execute_reply", { status: "abort" })).toMatchObject({ status: "aborted", pages: [] });
    expect(said("status", { execution_state: "autorestarting" })).toEqual({ type: "status", state: "other" });
    expect(said("kernel_info_reply", { language_info: 3 })).toMatchObject({ language: "" });
  });

  test("of a type that is not known is not lost", () => {
    expect(said("comm_open", {})).toEqual({ type: "other", of: "comm_open" });
    expect(said("constructor", {})).toEqual({ type: "other", of: "constructor" });
    expect(said("__proto__", {})).toEqual({ type: "other", of: "__proto__" });
  });

  test("of displays has their id, and of replies the pages", () => {
    expect(said("display_data", { data: { "text/plain": "x" }, transient: { display_id: "d" } })).toEqual({
      type: "display_data",
      data: { "text/plain": "x" },
      displayId: "d",
    });
    const payload = [{ source: "page", data: { "text/plain": "help" } }, { source: "set_next_input" }, 3];
    expect(said("execute_reply", { status: "ok", payload })).toMatchObject({
      pages: [{ "text/plain": "help" }],
    });
  });
});

test("damaged messages are refused clearly and never read as something else", () => {
  const original = decodeMessage(session, encode());
  let [refused, kept] = [0, 0];
  for (let seed = 0; seed < 4000; seed++) {
    const random = randomNumbers(seed);
    const frames: Uint8Array[] = encode().map((one) => Uint8Array.from(one));
    const [a, b] = [random(frames.length), random(frames.length)];
    const [first, second] = [frames[a] ?? frame(""), frames[b] ?? frame("")];
    const damage = [
      () => (first[random(first.byteLength)] = random(256)),
      () => ([frames[a], frames[b]] = [second, first]),
      () => frames.splice(a, 1),
      () => frames.splice(a, 0, second),
      () => (frames[a] = first.subarray(0, random(first.byteLength))),
    ];
    damage[random(damage.length)]?.();
    let read: Message | undefined;
    try {
      read = decodeMessage(session, frames);
    } catch (error) {
      if (!(error instanceof MessageError)) throw new Error(`seed ${seed}`, { cause: error });
      refused++;
    }
    if (read === undefined) continue;
    kept++;
    expect({ ...read, contentBytes: 0 }).toEqual({ ...original, contentBytes: 0 });
  }
  expect(refused).toBeGreaterThan(2000);
  expect(kept).toBeGreaterThan(100);
});
