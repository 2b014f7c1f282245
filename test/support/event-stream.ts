/** One event as it came: its id, and its JSON. */
export interface StreamFrame {
  readonly id: string | undefined;
  readonly event: StreamEvent;
}

export interface StreamEvent {
  readonly type: string;
  readonly text?: string;
  readonly timestamp: number;
  readonly execution_time?: number;
  readonly execution_count?: number;
  readonly results?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly ename: string; readonly evalue: string; readonly traceback: readonly string[] };
  readonly [member: string]: unknown;
}

/** The events of an answer as they come; leaving the loop hangs up. */
export async function* framesOf(response: Response): AsyncGenerator<StreamFrame> {
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    const frames = (text + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n\n");
    text = frames.pop() ?? "";
    for (const frame of frames) yield parse(frame);
  }
  if (text !== "") throw new Error(`the stream ended within a frame: ${text.slice(0, 200)}`);
}

/** All of them but the pings. */
export async function eventsOf(response: Response): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const { event } of framesOf(response)) if (event.type !== "ping") events.push(event);
  return events;
}

function parse(frame: string): StreamFrame {
  const [, id, json = ""] = /^(?:id: ([^\n]*)\n)?data: ([^\n]*)$/.exec(frame) ?? [];
  return { id, event: JSON.parse(json) as StreamEvent };
}

/** The texts of one kind of events. */
export function textsOf(events: readonly StreamEvent[], type: "stdout" | "stderr"): string[] {
  return events.filter((event) => event.type === type).map(({ text = "" }) => text);
}
