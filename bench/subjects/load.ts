import type { TestDaemon } from "../../test/support/daemon.ts";
import { until } from "../../test/support/engine.ts";
import type { Floor } from "../floors/floor.ts";
import { get, post, spawnOnFloor } from "../harness/calls.ts";
import type { Contenders, Scenario, Subject } from "../harness/scenario.ts";
import { COLD, execdOf, need, needOwnPython, type Stage } from "../harness/stage.ts";
import { contextOf, inContext, streamed, withPeer } from "./execd-calls.ts";
import { running, untilWarm } from "./warm.ts";

const CLIENTS = [1, 8, 64];
const KIB = "x".repeat(1024);

export const load: Subject = {
  name: "load",
  title: "Load: 1, 8 and 64 clients at once",
  about:
    "Each client sends its next request when it has its answer. Latencies are of one request, in milliseconds; `a second` is all clients together. The defaults of the daemon: 256 runs at once and 64 in the queue of a context, so that all of it is work and nothing is refused.",
  scenarios: [
    {
      name: "health",
      what: "`GET /health`",
      clients: CLIENTS,
      open: (stage) =>
        besideFloor(
          stage,
          (daemon) => get(daemon, "/health"),
          "bare Bun server",
          ({ url }) => fetched(url),
        ),
    },
    {
      name: "read",
      what: "`GET /files/read`, 1 KiB",
      clients: CLIENTS,
      open: async (stage) => {
        const path = `${await stage.directory()}/kibibyte`;
        await Bun.write(path, KIB);
        const file = encodeURIComponent(path);
        return besideFloor(
          stage,
          (daemon) => get(daemon, `/files/read?path=${file}`),
          "plain Bun.file",
          ({ url }) => fetched(`${url}?file=${file}`),
        );
      },
    },
    {
      name: "command",
      what: "`/commands/run echo hi`",
      clients: CLIENTS,
      open: (stage) =>
        besideFloor(
          stage,
          (daemon) => post(daemon, "/commands/run", { command: "echo hi" }),
          "bare Bun spawn over HTTP",
          (floor) => spawnOnFloor(floor, ["/bin/sh", "-c", "echo hi"]),
        ),
    },
    {
      ...warmAndCold("python", 'print("hello")', "python3"),
      targets: [
        {
          asked: "8 clients: at least 2.5 times the throughput of cold runs",
          clients: 8,
          anyOf: [{ figure: "throughputRatio", atLeast: 2.5 }],
        },
      ],
    },
    {
      name: "fairness",
      what: "`/commands/run echo hi` while another run's output is streamed without end",
      open: async (stage) => {
        need("curl");
        const [daemon, quiet] = [await stage.daemon(), await stage.daemon()];
        await printForEver(stage, daemon);
        // Both are called while that run takes its processors: what differs is the daemon that carries its output.
        const call = (target: TestDaemon) => () => post(target, "/commands/run", { command: "echo hi" });
        return [
          { what: "ours", pid: daemon.child.pid, call: call(daemon) },
          { what: "a daemon that carries none", pid: quiet.child.pid, call: call(quiet) },
        ];
      },
    },
    warmAndCold("javascript", 'console.log("hello")', "node"),
    {
      name: "execd-command",
      what: "execd `/command echo hi`",
      clients: CLIENTS,
      open: async (stage) => {
        const [daemon, floor] = [await stage.daemon(), await stage.floor()];
        return [
          ...(await withPeer(stage, daemon, (server) =>
            Promise.resolve(streamed(server, "/command", { command: "echo hi" })),
          )),
          {
            what: "bare Bun spawn over HTTP",
            pid: floor.child.pid,
            call: () => spawnOnFloor(floor, ["/bin/sh", "-c", "echo hi"]),
          },
        ];
      },
    },
    {
      name: "execd-code",
      what: "execd `/code 1+1` in one context",
      clients: CLIENTS,
      open: async (stage) => {
        needOwnPython();
        return withPeer(stage, await stage.daemon(), async (server) =>
          inContext(server, await contextOf(server, "python"), "1+1"),
        );
      },
    },
  ],
};

/** Its reader is a process of its own, which reads as fast as it can. */
async function printForEver(stage: Stage, daemon: TestDaemon): Promise<void> {
  const { url, token } = execdOf(daemon);
  const body = JSON.stringify({ command: "yes 'a line of some forty characters, for ever'" });
  const head = `X-EXECD-ACCESS-TOKEN: ${token}`;
  void stage
    .sh('exec curl -sN -H "$1" -d "$2" "$3" >/dev/null', head, body, `${url}/command`)
    .catch(() => undefined);
  await until(
    async () => ((await (await daemon.fetch("/health")).json()) as { active_runs: number }).active_runs > 0,
  );
}

async function besideFloor(
  stage: Stage,
  call: (daemon: TestDaemon) => Promise<void>,
  what: string,
  bare: (floor: Floor) => Promise<void>,
): Promise<Contenders> {
  const [daemon, floor] = [await stage.daemon(), await stage.floor()];
  return [
    { what: "ours", pid: daemon.child.pid, call: () => call(daemon) },
    { what, pid: floor.child.pid, call: () => bare(floor) },
  ];
}

function warmAndCold(language: string, code: string, needs: string): Scenario {
  return {
    name: language,
    what: `\`/execute\` ${language} hello`,
    clients: CLIENTS,
    open: async (stage) => {
      need(needs);
      const [warm, cold] = [await stage.daemon(), await stage.daemon(COLD)];
      await untilWarm(warm, language, code);
      return [
        running(warm, language, code),
        { ...running(cold, language, code), what: "nothing waits (cold)" },
      ];
    },
  };
}

async function fetched(url: string): Promise<void> {
  const response = await fetch(url);
  await response.bytes();
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
}
