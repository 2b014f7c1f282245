import { CLIENT_PYTHON } from "./clients.ts";

/** What OpenTelemetry's own definitions, from PyPI, make of a body; they refuse what they do not understand. */
const DECODER = `
import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
message = {"traces": ExportTraceServiceRequest, "metrics": ExportMetricsServiceRequest}[sys.argv[1]]()
message.ParseFromString(sys.stdin.buffer.read())
print(json.dumps(MessageToDict(message)))
`;

export interface Received {
  readonly signal: "traces" | "metrics";
  readonly headers: Headers;
  readonly message: Record<string, unknown>;
}

/** An OTLP receiver on a loopback port, which decodes what comes with the protocol's own definitions. */
export class Collector implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly faults: string[] = [];
  readonly #server: Bun.Server<undefined>;

  constructor() {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const signal = /^\/v1\/(traces|metrics)$/.exec(new URL(request.url).pathname)?.[1];
        if (request.method !== "POST" || (signal !== "traces" && signal !== "metrics"))
          return new Response(null, { status: 404 });
        const bytes = await request.bytes();
        await this.#decode(signal, request.headers, bytes);
        return new Response(new Uint8Array(), { headers: { "content-type": "application/x-protobuf" } });
      },
    });
  }

  get url(): string {
    return this.#server.url.href.replace(/\/$/, "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }

  async #decode(signal: "traces" | "metrics", headers: Headers, bytes: Uint8Array): Promise<void> {
    const isZipped = headers.get("content-encoding") === "gzip";
    const plain = isZipped ? Bun.gunzipSync(Buffer.from(bytes)) : bytes;
    const child = Bun.spawn([CLIENT_PYTHON, "-c", DECODER, signal], { stdin: plain, stderr: "pipe" });
    const [text, fault] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if ((await child.exited) !== 0) this.faults.push(fault);
    else this.received.push({ signal, headers, message: JSON.parse(text) as Record<string, unknown> });
  }
}
