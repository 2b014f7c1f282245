// A Jupyter kernel (messaging protocol 5.4) around anything that can execute code. What the code prints is no
// matter of ours: it goes to descriptors 1 and 2, which whoever started the kernel reads.
"use strict";
const { createHmac, randomUUID, timingSafeEqual } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { listen } = require("./zmtp.cjs");

const DELIMITER = Buffer.from("<IDS|MSG>");
const END_OF_INPUT = "\u0004";

/** An error of the user's code, as it is told. */
class UserError extends Error {
  constructor(ename, evalue, traceback) {
    super(evalue);
    Object.assign(this, { ename, evalue, traceback });
  }
}

/**
 * Serves a kernel until it is told to shut down.
 * @param kernel `info`: the fields of kernel_info_reply; `execute(code, cell)`: resolves with a bundle of the
 * last value or undefined, rejects with a `UserError`; `interrupt()`.
 */
async function serve(connectionFile, kernel) {
  const connection = JSON.parse(readFileSync(connectionFile, "utf8"));
  const wire = new Wire(connection, kernel);
  await wire.open();
  return wire;
}

class Wire {
  constructor(connection, kernel) {
    this.connection = connection;
    this.kernel = kernel;
    this.session = randomUUID();
    this.count = 0;
    /** The request that what is told now belongs to. */
    this.parent = {};
    this.queue = Promise.resolve();
    /** Takes the line that was asked for; undefined while none is. */
    this.question = undefined;
  }

  async open() {
    const { connection: to } = this;
    const routed = (handle) => (parts, peer) => this.receive(parts, peer, handle);
    this.iopub = listen("PUB", to, to.iopub_port);
    const all = [
      this.iopub,
      (this.shell = listen(
        "ROUTER",
        to,
        to.shell_port,
        routed((request) => this.enqueue(request)),
      )),
      (this.control = listen(
        "ROUTER",
        to,
        to.control_port,
        routed((request) => this.answer(request)),
      )),
      (this.stdin = listen(
        "ROUTER",
        to,
        to.stdin_port,
        routed(({ content }) => this.question?.(content.value)),
      )),
      listen("REP", to, to.hb_port, (parts, peer) => peer.send(parts)),
    ];
    await Promise.all(all.map(({ ready }) => ready));
  }

  receive(parts, peer, handle) {
    const at = parts.findIndex((part) => part.equals(DELIMITER));
    const [signature, ...body] = parts.slice(at + 1);
    if (at < 0 || body.length < 4 || !this.isSigned(signature, body.slice(0, 4))) return;
    const [header, , metadata, content] = body.slice(0, 4).map((part) => JSON.parse(part.toString()));
    handle({ header, metadata, content, peer });
  }

  isSigned(signature, parts) {
    if (this.connection.key === "") return true;
    const wanted = Buffer.from(this.sign(parts));
    return signature.length === wanted.length && timingSafeEqual(signature, wanted);
  }

  sign(parts) {
    if (this.connection.key === "") return "";
    const hash = createHmac(this.connection.signature_scheme.replace("hmac-", ""), this.connection.key);
    for (const part of parts) hash.update(part);
    return hash.digest("hex");
  }

  pack(type, content, parent) {
    const header = {
      msg_id: randomUUID(),
      session: this.session,
      username: "kernel",
      date: new Date().toISOString(),
      msg_type: type,
      version: "5.4",
    };
    const parts = [header, parent, {}, content].map((part) => Buffer.from(JSON.stringify(part)));
    return [DELIMITER, Buffer.from(this.sign(parts)), ...parts];
  }

  /** Tells everybody who listens. */
  publish(type, content, parent = this.parent) {
    this.iopub.publish([Buffer.from(`kernel.${this.session}.${type}`), ...this.pack(type, content, parent)]);
  }

  reply({ header, peer }, type, content) {
    peer.send(this.pack(type, content, header));
  }

  /** One after the other, in the order they came. */
  enqueue(request) {
    this.queue = this.queue.then(() => this.answer(request));
  }

  async answer(request) {
    const { header } = request;
    this.publish("status", { execution_state: "busy" }, header);
    const handler = HANDLERS[header.msg_type];
    if (handler) await handler(this, request);
    this.publish("status", { execution_state: "idle" }, header);
  }

  async execute(request) {
    const { code, silent, store_history: keeps = !silent, allow_stdin: allowStdin } = request.content;
    this.parent = request.header;
    if (keeps) this.count++;
    const execution_count = this.count;
    if (!silent) this.publish("execute_input", { code, execution_count });
    try {
      const data = await this.kernel.execute(code, {
        ask: (prompt, password) => this.ask(request, allowStdin, prompt, password),
        display: (bundle) => this.publish("display_data", { data: bundle, metadata: {}, transient: {} }),
        allowStdin,
      });
      if (data !== undefined && !silent)
        this.publish("execute_result", { data, metadata: {}, execution_count });
      this.reply(request, "execute_reply", {
        status: "ok",
        execution_count,
        user_expressions: {},
        payload: [],
      });
    } catch (error) {
      const { ename, evalue, traceback } = asUserError(error);
      if (!silent) this.publish("error", { ename, evalue, traceback });
      this.reply(request, "execute_reply", { status: "error", execution_count, ename, evalue, traceback });
    } finally {
      this.question?.(undefined);
    }
  }

  /** A line of input from whoever made the request; undefined at the end of input. */
  async ask({ header, peer }, allowStdin, prompt = "", password = false) {
    if (!allowStdin) return undefined;
    const line = await new Promise((resolve) => {
      this.question = resolve;
      this.stdin.send(peer.identity, this.pack("input_request", { prompt, password }, header));
    });
    this.question = undefined;
    return line === END_OF_INPUT || line === undefined ? undefined : line;
  }
}

function asUserError(error) {
  if (error instanceof UserError) return error;
  return new UserError("KernelError", String(error), [String(error?.stack ?? error)]);
}

const HANDLERS = {
  kernel_info_request: (wire, request) =>
    wire.reply(request, "kernel_info_reply", {
      status: "ok",
      protocol_version: "5.4",
      implementation: "sanderling",
      implementation_version: "1",
      banner: "",
      help_links: [],
      ...wire.kernel.info,
    }),
  execute_request: (wire, request) => wire.execute(request),
  interrupt_request: async (wire, request) => {
    await wire.kernel.interrupt();
    wire.reply(request, "interrupt_reply", { status: "ok" });
  },
  is_complete_request: (wire, request) => wire.reply(request, "is_complete_reply", { status: "unknown" }),
  complete_request: (wire, request) => {
    const { cursor_pos: at = 0 } = request.content;
    const content = { status: "ok", matches: [], cursor_start: at, cursor_end: at, metadata: {} };
    wire.reply(request, "complete_reply", content);
  },
  shutdown_request: (wire, request) => {
    wire.reply(request, "shutdown_reply", { status: "ok", restart: request.content.restart === true });
    setImmediate(() => wire.kernel.shutdown());
  },
};

module.exports = { serve, UserError };
