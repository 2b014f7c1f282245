import type { XConnection } from "./x11/connection.ts";
import { atom, EVENT_MASK, getNumbers, nextEvent, selectEvents, sendEvent } from "./x11/core.ts";
import { Packet } from "./x11/packet.ts";

const CLIENT_MESSAGE = 33;
/** A program that does not answer by then is stuck, or cannot be asked. */
const ANSWER_MS = 10_000;
/** For programs that cannot be asked; a terminal reads its keys within a few milliseconds. */
const UNASKED_MS = 100;

/**
 * Waits until the program with the focus has read all events sent so far, by the ping of window managers (EWMH,
 * _NET_WM_PING): it comes to the ping after everything before it.
 */
export async function clientSettled(x: XConnection): Promise<void> {
  const [window = 0] = await getNumbers(x, x.facts.root, "_NET_ACTIVE_WINDOW");
  const [protocols, ping] = await Promise.all([atom(x, "WM_PROTOCOLS"), atom(x, "_NET_WM_PING")]);
  const spoken = window === 0 ? [] : await getNumbers(x, window, "WM_PROTOCOLS").catch(() => []);
  if (!spoken.includes(ping)) {
    await new Promise((resume) => setTimeout(resume, UNASKED_MS));
    return;
  }
  const stamp = (Date.now() & 0x7fffffff) >>> 0;
  const answered = nextEvent(x, ANSWER_MS, (event) =>
    event.code === CLIENT_MESSAGE && event.u32(12) === ping && event.u32(16) === stamp ? true : undefined,
  );
  selectEvents(x, x.facts.root, EVENT_MASK.substructure);
  const event = new Packet(CLIENT_MESSAGE, 32).u32(window, protocols, ping, stamp, window, 0, 0).finish();
  event.fill(0, 2, 4);
  x.send(sendEvent(window, 0, event));
  await answered;
}
