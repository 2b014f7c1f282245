/** Clients and proxies take a silent connection for a dead one; the published longest silence is 5 s. */
export const LONGEST_SILENCE_MS = 3000;

export interface EventStreamOptions {
  /** What is sent in silence, a whole frame. */
  ping(): string;
  /** Told once, when the stream is over: sent whole, or left by its client. */
  ended(): void;
  readonly headers?: Readonly<Record<string, string>>;
}

let open = 0;

/** Event streams that clients read just now, of every API of this process. */
export function openEventStreams(): number {
  return open;
}

/** Line ends of Unicode, which line-wise clients take for ends of a frame though JSON does not need them escaped. */
const ODD_LINE_ENDS = /[\u0085\u2028\u2029]/g;
const HAS_ODD_LINE_END = /[\u0085\u2028\u2029]/;

/** JSON that stays on one line, whatever a client takes for a line. */
export function toLine(value: unknown): string {
  const json = JSON.stringify(value);
  if (!HAS_ODD_LINE_END.test(json)) return json;
  return json.replace(ODD_LINE_ENDS, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * One server-sent event.
 * @param json On one line (`toLine`).
 * @param id Where a client that lost its connection goes on, as Last-Event-ID; none: where it stood before.
 */
export function toFrame(json: string, id?: string): string {
  return id === undefined ? `data: ${json}\n\n` : `id: ${id}\ndata: ${json}\n\n`;
}

/**
 * Answers with frames as they come. The next ones are asked for only when the client has taken the last: a slow
 * reader costs one batch of memory, and whoever makes the frames must not be slowed by waiting for it.
 * @param frames Batches of whole frames, as text, or as UTF-8 in memory of its own that is given away; must not throw.
 */
export function eventStream(
  frames: AsyncGenerator<string | Uint8Array, void> | Generator<string | Uint8Array, void>,
  options: EventStreamOptions,
): Response {
  const encoder = new TextEncoder();
  open++;
  const ended = () => {
    open--;
    options.ended();
  };
  let pending: Promise<IteratorResult<string | Uint8Array, void>> | undefined;
  let sent: Uint8Array | undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (sent) release(sent);
        sent = undefined;
        pending ??= Promise.resolve(frames.next());
        const next = await within(LONGEST_SILENCE_MS, pending);
        if (next === undefined) {
          controller.enqueue(encoder.encode(options.ping()));
          return;
        }
        pending = undefined;
        if (next.done !== true) {
          const { value } = next;
          sent = typeof value === "string" ? encoder.encode(value) : value;
          controller.enqueue(sent);
          return;
        }
        ended();
        controller.close();
      },
      cancel() {
        ended();
        // Takes effect when what it waits for has come; nobody waits for that.
        void Promise.resolve(frames.return());
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-cache",
      "X-Accel-Buffering": "no",
      ...options.headers,
    },
  });
}

/**
 * Gives the memory of a batch back. The server has copied what its client has not taken when it asks for more; left
 * to the garbage collector, the memory of a large output would be new, and cold, for every batch.
 */
function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** What the promise gives, or undefined when it takes longer. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
