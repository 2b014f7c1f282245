import type { MimeBundle, RunEvent } from "../../engine/run.ts";

type Rich = Extract<RunEvent, { type: "display" | "display_update" | "result" }>;
type Failed = Extract<RunEvent, { type: "failed" }>;

interface RichOutput {
  readonly type: string;
  readonly data: MimeBundle;
  readonly path?: string;
  readonly metadata: { readonly source: "display" | "result" | "saved_figure" };
  readonly timestamp: string;
}

/** What runtimes/python/sanderling_display.py tells of a figure that the code saved. */
const SAVED_FIGURE = "application/vnd.sanderling.saved-figure+json";

/** MIME types, richest first, with the field of the answer that each has (contracts/hopx-agent.md, 4.2). */
const KINDS: readonly (readonly [type: string, field: string | undefined])[] = [
  ["image/png", "png"],
  ["image/svg+xml", "svg"],
  ["image/jpeg", undefined],
  ["application/pdf", undefined],
  ["application/vnd.plotly.v1+json", "json"],
  ["application/vnd.sanderling.table+json", "dataframe"],
  ["text/html", "html"],
  ["text/markdown", "markdown"],
  ["text/latex", "latex"],
  ["application/json", "json"],
  ["text/plain", undefined],
];

/** The fields of what a program showed; undefined for nothing, because a library fails at an empty value (4.2). */
export function richFieldsOf(events: readonly RunEvent[]): object | undefined {
  if (events.length === 0) return undefined;
  const outputs = new RichOutputs();
  for (const event of events) outputs.take(event);
  return outputs.fields();
}

/** Gathers what one run shows: several outputs in order, as a notebook would have them in the end. */
export class RichOutputs {
  #outputs: { readonly output: RichOutput; readonly displayId: string | undefined }[] = [];
  #clearsAtNext = false;
  #result: string | undefined;
  #count: number | undefined;
  #failed: Failed | undefined;

  /** The number that the kernel counted this run as, when it had a result. */
  get count(): number | undefined {
    return this.#count;
  }

  take(event: RunEvent): void {
    switch (event.type) {
      case "display":
      case "display_update":
      case "result":
        this.#show(event);
        return;
      case "clear":
        if (event.wait) this.#clearsAtNext = true;
        else this.#outputs = [];
        return;
      case "failed":
        this.#failed = event;
        return;
      case "started":
      case "output":
      case "dropped":
      case "input_request":
      case "ended":
    }
  }

  /** The traceback as stderr would have it; empty when the code did not fail. */
  get traceback(): string {
    const { traceback = [] } = this.#failed ?? {};
    return traceback.length > 0 ? `${withoutColours(traceback).join("\n")}\n` : "";
  }

  /** The fields of the answer. */
  fields() {
    const fields: Record<string, unknown> = {};
    for (const { output } of this.#outputs)
      for (const [type, field] of KINDS)
        if (field !== undefined && type in output.data) fields[field] = output.data[type];
    const { name, message, traceback = [] } = this.#failed ?? {};
    return {
      ...fields,
      ...(this.#result === undefined ? {} : { result: this.#result }),
      rich_outputs: this.#outputs.map(({ output }) => output),
      ...(this.#failed
        ? {
            exception: {
              ename: name,
              evalue: message,
              traceback: withoutColours(traceback),
              traceback_ansi: traceback,
            },
          }
        : {}),
    };
  }

  #show(event: Rich): void {
    if (this.#clearsAtNext) this.#outputs = [];
    this.#clearsAtNext = false;
    const output = describeOutput(event);
    if (event.type === "display_update") {
      this.#outputs = this.#outputs.map((each) =>
        each.displayId === event.displayId ? { ...each, output } : each,
      );
      return;
    }
    if (event.type === "result") {
      const text = event.data["text/plain"];
      this.#result = typeof text === "string" ? text : undefined;
      this.#count = event.count;
    }
    this.#outputs.push({ output, displayId: event.type === "display" ? event.displayId : undefined });
  }
}

function describeOutput(event: Rich): RichOutput {
  const timestamp = new Date().toISOString();
  const saved = savedFigure(event.data[SAVED_FIGURE]);
  if (saved) return { ...saved, data: {}, metadata: { source: "saved_figure" }, timestamp };
  const richest = KINDS.find(([type]) => type in event.data)?.[0];
  return {
    type: richest ?? Object.keys(event.data)[0] ?? "text/plain",
    data: event.data,
    metadata: { source: event.type === "result" ? "result" : "display" },
    timestamp,
  };
}

function savedFigure(value: unknown): { type: string; path: string } | undefined {
  if (typeof value !== "object" || value === null || !("type" in value) || !("path" in value))
    return undefined;
  return { type: String(value.type), path: String(value.path) };
}

/** Without the escape sequences that set colours (ECMA-48, SGR). */
function withoutColours(lines: readonly string[]): string[] {
  // eslint-disable-next-line no-control-regex -- Escape is what these sequences begin with.
  return lines.map((line) => line.replace(/\u001b\[[\d;]*m/g, ""));
}
