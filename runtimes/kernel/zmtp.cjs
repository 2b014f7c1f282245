// The listening side of ZMTP 3 (rfc.zeromq.org/spec/23): what a kernel needs of ROUTER, PUB and REP sockets.
"use strict";
const net = require("node:net");

const MORE = 1;
const LONG = 2;
const COMMAND = 4;
const GREETING_BYTES = 64;
/** A peer that sends more in one frame is none of ours. */
const LARGEST_FRAME = 1 << 30;
/** A subscriber that does not read loses what is beyond this, as with any PUB socket. */
const LARGEST_BACKLOG = 256 << 20;

function greeting() {
  const bytes = Buffer.alloc(GREETING_BYTES);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes.write("NULL", 12);
  return bytes;
}

function frame(flags, body) {
  const isLong = body.length > 255;
  const head = Buffer.alloc(isLong ? 9 : 2);
  head[0] = flags | (isLong ? LONG : 0);
  if (isLong) head.writeBigUInt64BE(BigInt(body.length), 1);
  else head[1] = body.length;
  return Buffer.concat([head, body]);
}

function command(name, properties) {
  const parts = [Buffer.from([name.length]), Buffer.from(name)];
  for (const [key, value] of Object.entries(properties)) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(value));
    parts.push(Buffer.from([key.length]), Buffer.from(key), length, Buffer.from(value));
  }
  return frame(COMMAND, Buffer.concat(parts));
}

/** One peer: gives whole messages, and knows what the peer calls itself and subscribed to. */
class Peer {
  constructor(socket, type, onMessage) {
    this.socket = socket;
    this.identity = Buffer.from(`peer-${Math.random()}`);
    this.subscriptions = new Set();
    this.isReady = false;
    this.onMessage = onMessage;
    this.pending = Buffer.alloc(0);
    this.parts = [];
    this.isGreeted = false;
    socket.write(Buffer.concat([greeting(), command("READY", { "Socket-Type": type })]));
    socket.on("data", (data) => this.read(data));
    socket.on("error", () => socket.destroy());
  }

  read(data) {
    this.pending = this.pending.length === 0 ? data : Buffer.concat([this.pending, data]);
    if (!this.isGreeted) {
      if (this.pending.length < GREETING_BYTES) return;
      this.pending = this.pending.subarray(GREETING_BYTES);
      this.isGreeted = true;
    }
    for (;;) {
      const next = this.nextFrame();
      if (next === undefined) return;
      if (next.flags & COMMAND) this.obey(next.body);
      else this.collect(next);
    }
  }

  nextFrame() {
    const { pending } = this;
    if (pending.length < 2) return undefined;
    const isLong = (pending[0] & LONG) !== 0;
    if (isLong && pending.length < 9) return undefined;
    const length = isLong ? Number(pending.readBigUInt64BE(1)) : pending[1];
    if (length > LARGEST_FRAME) return void this.socket.destroy();
    const start = isLong ? 9 : 2;
    if (pending.length < start + length) return undefined;
    this.pending = pending.subarray(start + length);
    return { flags: pending[0], body: pending.subarray(start, start + length) };
  }

  obey(body) {
    const name = body.toString("latin1", 1, 1 + body[0]);
    const rest = body.subarray(1 + body[0]);
    if (name === "READY") {
      const identity = property(rest, "Identity");
      if (identity?.length > 0) this.identity = identity;
      this.isReady = true;
    } else if (name === "SUBSCRIBE") this.subscriptions.add(rest.toString("latin1"));
    else if (name === "CANCEL") this.subscriptions.delete(rest.toString("latin1"));
    else if (name === "PING")
      this.socket.write(frame(COMMAND, Buffer.concat([Buffer.from("\u0004PONG"), rest.subarray(2)])));
  }

  collect({ flags, body }) {
    this.parts.push(body);
    if (flags & MORE) return;
    const parts = this.parts;
    this.parts = [];
    this.onMessage(parts, this);
  }

  send(parts) {
    if (this.socket.writableLength > LARGEST_BACKLOG) return;
    const frames = parts.map((part, index) => frame(index < parts.length - 1 ? MORE : 0, part));
    this.socket.write(Buffer.concat(frames));
  }

  wants(topic) {
    const text = topic.toString("latin1");
    return [...this.subscriptions].some((prefix) => text.startsWith(prefix));
  }
}

function property(bytes, wanted) {
  for (let at = 0; at < bytes.length;) {
    const name = bytes.toString("latin1", at + 1, at + 1 + bytes[at]);
    at += 1 + bytes[at];
    const length = bytes.readUInt32BE(at);
    if (name.toLowerCase() === wanted.toLowerCase()) return bytes.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return undefined;
}

/**
 * Listens as a ROUTER, PUB or REP socket. `onMessage(parts, peer)`; `send` finds a peer by its identity;
 * `publish` reaches whoever subscribed to the first part.
 */
function listen(type, { transport, ip }, port, onMessage) {
  const peers = new Set();
  const server = net.createServer({ noDelay: true }, (socket) => {
    const peer = new Peer(socket, type, (parts, from) => {
      if (type === "PUB") subscribe(from, parts[0]);
      else onMessage(parts, from);
    });
    peers.add(peer);
    socket.on("close", () => peers.delete(peer));
  });
  const { promise: ready, resolve, reject } = withResolvers();
  server.on("error", reject);
  server.listen(transport === "ipc" ? { path: `${ip}-${port}` } : { host: ip, port }, resolve);
  return {
    ready,
    publish(parts) {
      for (const peer of peers) if (peer.wants(parts[0])) peer.send(parts);
    },
    send(identity, parts) {
      for (const peer of peers) if (peer.identity.equals(identity)) return peer.send(parts);
    },
  };
}

/** Before 3.1 of the protocol a subscription is a message of its own. */
function subscribe(peer, body) {
  const topic = body.toString("latin1", 1);
  if (body[0] === 1) peer.subscriptions.add(topic);
  else peer.subscriptions.delete(topic);
}

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

module.exports = { listen };
