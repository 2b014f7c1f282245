import type { TestDaemon } from "../../test/support/daemon.ts";
import type { Contender, Contenders } from "../harness/scenario.ts";
import { execdOf, type ExecdServer, type Stage } from "../harness/stage.ts";

/** Milliseconds since the request was sent. */
export interface Moments {
  readonly firstOutput: number;
  readonly finalEvent: number;
  readonly endOfBody: number;
}

const FINAL = /"type":"(?:execution_complete|error)"/;
/** Of a large output only the ends are looked at, or the reader would be what is measured. */
const LOOKED_AT_BYTES = 1000;

/** Ours, and the peer where there is one, each doing the same. */
export async function withPeer(
  stage: Stage,
  daemon: TestDaemon,
  makeCall: (server: ExecdServer) => Promise<Contender["call"]>,
): Promise<Contenders> {
  const ours = { what: "ours", pid: daemon.child.pid, call: await makeCall(execdOf(daemon)) };
  return stage.peer ? [ours, { what: "peer", call: await makeCall(stage.peer) }] : [ours];
}

/** One request whose stream is read to its end. */
export function streamed(server: ExecdServer, path: string, body: object): () => Promise<void> {
  return async () => {
    await readStream(server, path, body);
  };
}

export async function readStream(server: ExecdServer, path: string, body: object): Promise<Moments> {
  const started = performance.now();
  const since = () => performance.now() - started;
  const response = await send(server, path, body);
  const decoder = new TextDecoder();
  let [firstOutput, finalEvent] = [Number.NaN, Number.NaN];
  for await (const chunk of response.body ?? []) {
    const text = decoder.decode((chunk as Uint8Array).subarray(-LOOKED_AT_BYTES));
    if (Number.isNaN(firstOutput) && text.includes('"type":"stdout"')) firstOutput = since();
    if (FINAL.test(text)) finalEvent = since();
  }
  if (Number.isNaN(finalEvent)) throw new Error(`${path} ended without a final event`);
  return { firstOutput, finalEvent, endOfBody: since() };
}

export function inContext(server: ExecdServer, id: string, code: string): () => Promise<void> {
  return streamed(server, "/code", { code, context: { id, language: "python" } });
}

/** Makes a context; gives its id. */
export async function contextOf(server: ExecdServer, language: string): Promise<string> {
  const made = (await (await send(server, "/code/context", { language })).json()) as { id: string };
  return made.id;
}

export async function deleteContext({ url, token }: ExecdServer, id: string): Promise<void> {
  const answer = await fetch(`${url}/code/contexts/${id}`, {
    method: "DELETE",
    headers: { "x-execd-access-token": token },
  });
  await answer.bytes();
  if (!answer.ok) throw new Error(`deleting a context answered ${answer.status}`);
}

/** @throws when it is answered anything but 200. */
async function send({ url, token }: ExecdServer, path: string, body: object): Promise<Response> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-execd-access-token": token },
    body: JSON.stringify(body),
  });
  if (response.status !== 200)
    throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response;
}
