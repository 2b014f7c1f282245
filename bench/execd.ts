/**
 * The Execution API beside a peer of the same protocol. Alone: `bun bench/execd.ts [--rounds N] [--peer URL
 * --peer-token TOKEN]`; any execd will do. Ours and the peer's calls alternate, so that a machine whose speed
 * drifts slows both alike. Rows without a peer have no ratio.
 */
import { TEST_ACCESS_TOKEN, TestDaemon } from "../test/support/daemon.ts";
import { median, row, type Row } from "./measure.ts";

/** One server of the protocol. */
interface Server {
  readonly url: string;
  readonly token: string;
}

/** Milliseconds since the request was sent. */
interface Moments {
  readonly firstOutput: number;
  readonly finalEvent: number;
  readonly endOfBody: number;
  readonly bytes: number;
}

const MIB = 1024 * 1024;
const LARGE_BYTES = 256 * MIB;
const FINAL = /"type":"(?:execution_complete|error)"/;

async function stream({ url, token }: Server, path: string, body: object): Promise<Moments> {
  const started = performance.now();
  const since = () => performance.now() - started;
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-execd-access-token": token },
    body: JSON.stringify(body),
  });
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  const decoder = new TextDecoder();
  let [firstOutput, finalEvent, bytes] = [Number.NaN, Number.NaN, 0];
  for await (const chunk of response.body ?? []) {
    // Of a large output only the ends are looked at, or the reader would be what is measured.
    const text = decoder.decode((chunk as Uint8Array).subarray(-1000));
    bytes += (chunk as Uint8Array).byteLength;
    if (Number.isNaN(firstOutput) && text.includes('"type":"stdout"')) firstOutput = since();
    if (FINAL.test(text)) finalEvent = since();
  }
  return { firstOutput, finalEvent, endOfBody: since(), bytes };
}

const CASES = [
  {
    path: "/command",
    body: { command: "echo hi" },
    rows: [
      ["/command echo hi, to the final event", "ms", ({ finalEvent }: Moments) => finalEvent],
      ["/command echo hi, to the end of the body", "ms", ({ endOfBody }: Moments) => endOfBody],
    ],
    isSlow: false,
  },
  {
    path: "/command",
    body: { command: "echo first; sleep 0.3; echo last" },
    rows: [["/command, first byte of live output", "ms", ({ firstOutput }: Moments) => firstOutput]],
    isSlow: true,
  },
  {
    path: "/code",
    body: { code: "1 + 1", context: { language: "python" } },
    rows: [["/code 1 + 1, to the final event", "ms", ({ finalEvent }: Moments) => finalEvent]],
    isSlow: false,
  },
  {
    path: "/command",
    // Lines of 1 KiB.
    body: { command: `head -c ${LARGE_BYTES} /dev/zero | tr '\\0' x | fold -w 1023` },
    rows: [
      ["/command, large stdout", "MiB/s", ({ endOfBody }: Moments) => (LARGE_BYTES / MIB / endOfBody) * 1000],
    ],
    isSlow: true,
  },
] as const;

/** Rows of ours, each followed by the peer's where there is one. */
async function execdRows(ours: Server, peer: Server | undefined, rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { path, body, rows: measured, isSlow } of CASES) {
    await stream(ours, path, body);
    if (peer) await stream(peer, path, body);
    const all: { readonly ours: Moments; readonly peer: Moments | undefined }[] = [];
    for (let i = 0; i < (isSlow ? Math.min(rounds, 5) : rounds); i++)
      all.push({ ours: await stream(ours, path, body), peer: peer && (await stream(peer, path, body)) });
    for (const [what, unit, value] of measured) {
      const own = all.map(({ ours: moments }) => value(moments));
      const others = all.flatMap(({ peer: moments }) => (moments ? [value(moments)] : []));
      const ratio = median(own.map((number, i) => number / (others[i] ?? Number.NaN)));
      rows.push(peer ? { ...row(what, unit, own), ratio } : row(what, unit, own));
      if (peer) rows.push(row("  peer", unit, others));
    }
  }
  return rows;
}

/** The peer that was named on the command line. */
function peerOf(argv: readonly string[]): Server | undefined {
  const after = (name: string) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined);
  const url = after("--peer");
  return url === undefined ? undefined : { url: url.replace(/\/$/, ""), token: after("--peer-token") ?? "" };
}

/** The rows of a daemon of their own, with the kernels that the product brings. */
export async function execdBench(argv: readonly string[], rounds: number): Promise<Row[]> {
  await using daemon = await TestDaemon.start({ env: { SANDERLING_LOG_LEVEL: "warn" }, withPython: true });
  return await execdRows({ url: daemon.execdUrl, token: TEST_ACCESS_TOKEN }, peerOf(argv), rounds);
}

if (import.meta.main) {
  const rounds = Number(process.argv[process.argv.indexOf("--rounds") + 1]) || 30;
  for (const { what, unit, values, ratio } of await execdBench(process.argv, rounds)) {
    const shown = `${what.padEnd(48)} ${median(values).toFixed(2).padStart(9)} ${unit}`;
    process.stdout.write(`${shown}${ratio === undefined ? "" : `   x ${ratio.toFixed(2)} of the peer`}\n`);
  }
}
