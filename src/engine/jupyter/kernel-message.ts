import type { JsonObject, Message } from "./message.ts";

/**
 * What a kernel tells, by the type of its message (Jupyter messaging 5.x). Kernels differ in what they leave out
 * and in what they add: what is missing gets the neutral value, what is unknown becomes `other`.
 */
export type KernelMessage =
  | { readonly type: "status"; readonly state: "busy" | "idle" | "starting" | "other" }
  | { readonly type: "stream"; readonly name: "stdout" | "stderr"; readonly text: string }
  | {
      readonly type: "display_data" | "update_display_data";
      readonly data: JsonObject;
      readonly displayId: string | undefined;
    }
  | { readonly type: "execute_result"; readonly data: JsonObject; readonly count: number }
  | { readonly type: "execute_input"; readonly count: number }
  | KernelFailure
  | { readonly type: "clear_output"; readonly wait: boolean }
  | { readonly type: "input_request"; readonly prompt: string; readonly password: boolean }
  | {
      readonly type: "execute_reply";
      readonly status: "ok" | "error" | "aborted";
      readonly count: number;
      readonly failure: KernelFailure;
      /** Text that IPython shows in a pager, for example of `print?`. */
      readonly pages: readonly JsonObject[];
    }
  | { readonly type: "kernel_info_reply"; readonly implementation: string; readonly language: string }
  /** Its content was too large to be held. */
  | { readonly type: "oversized"; readonly of: string; readonly bytes: number }
  | { readonly type: "other"; readonly of: string };

/** The user's own error. */
export interface KernelFailure {
  readonly type: "error";
  readonly name: string;
  readonly message: string;
  readonly traceback: readonly string[];
}

type Read = (content: JsonObject) => KernelMessage;

const READERS: Readonly<Record<string, Read>> = {
  status: ({ execution_state: state }) => ({
    type: "status",
    state: state === "busy" || state === "idle" || state === "starting" ? state : "other",
  }),
  stream: (content) => ({
    type: "stream",
    name: content["name"] === "stderr" ? "stderr" : "stdout",
    text: text(content["text"]),
  }),
  display_data: (content) => ({ type: "display_data", data: object(content["data"]), ...displayId(content) }),
  update_display_data: (content) => ({
    type: "update_display_data",
    data: object(content["data"]),
    ...displayId(content),
  }),
  execute_result: (content) => ({
    type: "execute_result",
    data: object(content["data"]),
    count: number(content["execution_count"]),
  }),
  execute_input: (content) => ({ type: "execute_input", count: number(content["execution_count"]) }),
  error: failure,
  clear_output: (content) => ({ type: "clear_output", wait: content["wait"] === true }),
  input_request: (content) => ({
    type: "input_request",
    prompt: text(content["prompt"]),
    password: content["password"] === true,
  }),
  execute_reply: (content) => ({
    type: "execute_reply",
    // "abort" is what some kernels say for "aborted".
    status: content["status"] === "ok" ? "ok" : content["status"] === "error" ? "error" : "aborted",
    count: number(content["execution_count"]),
    failure: failure(content),
    pages: pages(content["payload"]),
  }),
  kernel_info_reply: (content) => ({
    type: "kernel_info_reply",
    implementation: text(content["implementation"]),
    language: text(object(content["language_info"])["name"]),
  }),
};

/** What a message says, whatever it leaves out. Never throws. */
export function readKernelMessage({ type, content, contentBytes }: Message): KernelMessage {
  if (content === undefined) return { type: "oversized", of: type, bytes: contentBytes };
  // Names such as "constructor" are no types of messages.
  const read = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  return read?.(content) ?? { type: "other", of: type };
}

function failure(content: JsonObject): KernelFailure {
  const traceback = content["traceback"];
  return {
    type: "error",
    name: text(content["ename"]),
    message: text(content["evalue"]),
    traceback: Array.isArray(traceback) ? traceback.map(text) : [],
  };
}

function pages(payload: unknown): JsonObject[] {
  if (!Array.isArray(payload)) return [];
  return payload.map(object).flatMap((item) => (item["source"] === "page" ? [object(item["data"])] : []));
}

function displayId(content: JsonObject): { displayId: string | undefined } {
  const id = object(content["transient"])["display_id"];
  return { displayId: typeof id === "string" ? id : undefined };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function object(value: unknown): JsonObject {
  // An object that is not an array has fields by name.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
