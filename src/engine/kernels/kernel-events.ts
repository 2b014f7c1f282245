import type { KernelMessage } from "../jupyter/kernel-message.ts";
import type { Stream } from "../run.ts";
import type { NewRichEvent } from "./rich-log.ts";
import { bundleBytes } from "./value-bound.ts";

/** What a message prints; a mark in the place of output that was too large for a message. */
export function textOf(
  message: KernelMessage,
): { readonly stream: Stream; readonly text: string } | undefined {
  if (message.type === "stream") return { stream: message.name, text: message.text };
  if (message.type === "oversized" && message.of === "stream")
    return { stream: "stderr", text: `${leftOut(message)}\n` };
  return undefined;
}

/** What a message tells of a run beside what it prints and asks for. */
export function eventsOf(message: KernelMessage): readonly NewRichEvent[] {
  switch (message.type) {
    case "display_data":
      return [{ type: "display", data: message.data, displayId: message.displayId }];
    case "update_display_data":
      return [{ type: "display_update", data: message.data, displayId: message.displayId ?? "" }];
    case "execute_result":
      return [{ type: "result", data: message.data, count: message.count }];
    case "error":
      return [{ type: "failed", name: message.name, message: message.message, traceback: message.traceback }];
    case "clear_output":
      return [{ type: "clear", wait: message.wait }];
    case "execute_reply":
      return message.pages.map((data) => ({ type: "display", data }));
    case "oversized":
      return message.of === "stream" ? [] : [{ type: "display", data: { "text/plain": leftOut(message) } }];
    case "stream":
    case "input_request":
    case "status":
    case "execute_input":
    case "kernel_info_reply":
    case "other":
      return [];
  }
}

/** How much of the bound of a run's events one takes. */
export function bytesOf(event: NewRichEvent): number {
  switch (event.type) {
    case "display":
    case "display_update":
    case "result":
      return bundleBytes(event.data);
    case "failed":
      return Buffer.byteLength(event.name + event.message + event.traceback.join(""));
    case "input_request":
      return Buffer.byteLength(event.prompt);
    case "clear":
      return 0;
  }
}

function leftOut({ of, bytes }: Extract<KernelMessage, { type: "oversized" }>): string {
  return `[${of} of ${bytes} bytes left out: more than a message may have]`;
}
