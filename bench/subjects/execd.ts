import type { Subject } from "../harness/scenario.ts";
import { needOwnPython, type ExecdServer } from "../harness/stage.ts";
import { contextOf, readStream, streamed, withPeer } from "./execd-calls.ts";

const LARGE_BYTES = 256 * 2 ** 20;
/** Lines of 1 KiB, printed faster than anyone reads them. */
const LARGE = `yes "$(head -c 1023 /dev/zero | tr '\\0' x)" | head -c ${LARGE_BYTES}`;
const ECHO = { command: "echo hi" };

/** A call that is measured to some moment of its stream. */
function until(moment: "firstOutput" | "finalEvent" | "endOfBody", path: string, body: object) {
  return (server: ExecdServer) => Promise.resolve(async () => (await readStream(server, path, body))[moment]);
}

export const execd: Subject = {
  name: "execd",
  title: "The Execution API, and a peer of it",
  about: "With `--peer URL --peer-token TOKEN` any other server of the protocol takes turns with ours.",
  scenarios: [
    {
      name: "final-event",
      what: "`/command echo hi`, to the final event",
      open: async (stage) => withPeer(stage, await stage.daemon(), until("finalEvent", "/command", ECHO)),
    },
    {
      name: "end-of-body",
      what: "`/command echo hi`, to the end of the body",
      open: async (stage) => withPeer(stage, await stage.daemon(), until("endOfBody", "/command", ECHO)),
    },
    {
      name: "first-output",
      what: "`/command`, first byte of live output",
      open: async (stage) => {
        // It goes on afterwards, so that this is not the end's own flush.
        const body = { command: "echo first; sleep 0.3; echo last" };
        return withPeer(stage, await stage.daemon(), until("firstOutput", "/command", body));
      },
    },
    {
      name: "code",
      what: "`/code 1 + 1` in the language's own context",
      open: async (stage) => {
        needOwnPython();
        const body = { code: "1 + 1", context: { language: "python" } };
        return withPeer(stage, await stage.daemon(), async (server) => {
          await streamed(server, "/code", body)();
          return streamed(server, "/code", body);
        });
      },
    },
    {
      name: "new-context",
      what: "`/code/context` python, one after the other",
      isLong: true,
      open: async (stage) => {
        needOwnPython();
        return withPeer(stage, await stage.daemon(), async (server) => {
          await contextOf(server, "python");
          return async () => {
            await contextOf(server, "python");
          };
        });
      },
    },
    {
      name: "large",
      what: "`/command`, 256 MiB of stdout in lines of 1 KiB",
      unit: "MB/s",
      isLong: true,
      open: async (stage) =>
        withPeer(stage, await stage.daemon(), (server) =>
          Promise.resolve(async () => {
            const { endOfBody } = await readStream(server, "/command", { command: LARGE });
            return LARGE_BYTES / 1000 / endOfBody;
          }),
        ),
    },
  ],
};
