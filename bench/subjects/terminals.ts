import type { TestDaemon } from "../../test/support/daemon.ts";
import { speedOf } from "../harness/calls.ts";
import type { Subject } from "../harness/scenario.ts";
import { BareTerminal, Line, openPty, TextLine } from "./keyboards.ts";

const FLOOD_BYTES = 128 * 2 ** 20;
const FLOOD = `stty raw; head -c ${FLOOD_BYTES} /dev/zero`;

export const terminals: Subject = {
  name: "terminals",
  title: "Terminals",
  about:
    "A key from the client's socket to its echo there, and a flood, beside the runtime's own terminal in the same process.",
  scenarios: [
    {
      name: "pty-key",
      what: "key to its echo, `/pty`",
      open: async (stage) => {
        const daemon = await stage.daemon();
        const typed = await stage.use(Line.open(daemon));
        const bare = await stage.use(Promise.resolve(new BareTerminal()));
        return [
          { what: "ours", pid: daemon.child.pid, call: () => typed.key() },
          { what: "a terminal of the runtime's own", call: () => bare.key() },
        ];
      },
    },
    {
      name: "terminal-key",
      what: "key to its echo, `/terminal`",
      open: async (stage) => {
        const daemon = await stage.daemon();
        const typed = await stage.use(TextLine.open(daemon));
        const bare = await stage.use(Promise.resolve(new BareTerminal()));
        return [
          { what: "ours", pid: daemon.child.pid, call: () => typed.key() },
          { what: "a terminal of the runtime's own", call: () => bare.key() },
        ];
      },
    },
    {
      name: "flood",
      what: "128 MiB from a terminal to a client, `/pty`",
      unit: "MB/s",
      isLong: true,
      open: async (stage) => {
        const daemon = await stage.daemon();
        return [
          { what: "ours", pid: daemon.child.pid, call: () => speedOf(FLOOD_BYTES, () => readFlood(daemon)) },
          { what: "a terminal of the runtime's own", call: () => speedOf(FLOOD_BYTES, drain) },
        ];
      },
    },
  ],
};

async function readFlood(daemon: TestDaemon): Promise<void> {
  const socket = await openPty(daemon, FLOOD);
  let bytes = 0;
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data !== "string") bytes += data.byteLength - (new Uint8Array(data)[0] === 3 ? 9 : 1);
  };
  await new Promise((resolve) => (socket.onclose = resolve));
  if (bytes !== FLOOD_BYTES) throw new Error(`of ${FLOOD_BYTES} bytes ${bytes} came`);
}

async function drain(): Promise<void> {
  let bytes = 0;
  const { promise, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
  const child = Bun.spawn(["bash", "-c", FLOOD], {
    terminal: { data: (_, data) => void (bytes += data.byteLength), exit: () => resolve() },
  });
  await Promise.all([promise, child.exited]);
  child.terminal?.close();
  if (bytes !== FLOOD_BYTES) throw new Error(`of ${FLOOD_BYTES} bytes ${bytes} came`);
}
