import {
  describeEnd,
  exitCode,
  STREAMS,
  type RunOutcome,
  type RunUsage,
  type Stream,
} from "../../engine/run.ts";
import type { PrintedRun } from "../../engine/code/cached-copy.ts";

/** The common part of an answer that tells how a run went (contracts/hopx-agent.md, 4.2 and 7.2). */
export async function describeRun(run: PrintedRun, outcome: RunOutcome, maxBytes: number) {
  const { end, usage, totals } = outcome;
  const code = exitCode(end);
  const { stdout, stderr, ...cut } = await describeOutput(run, totals, maxBytes);
  return {
    success: code === 0,
    stdout,
    stderr: withReason(stderr, outcome),
    exit_code: code,
    execution_time: Math.round(outcome.durationMs) / 1000,
    timestamp: new Date().toISOString(),
    run_id: run.id,
    ...(run.pid === undefined ? {} : { pid: run.pid }),
    end: {
      cause: end.cause,
      description: describeEnd(end),
      ...(end.cause === "signalled" ? { signal: end.signal } : {}),
    },
    usage: describeUsage(usage),
    ...cut,
  };
}

export function describeUsage(usage: RunUsage) {
  return {
    peak_memory_bytes: usage.peakMemoryBytes,
    cpu_seconds: usage.cpuSeconds,
    peak_processes: usage.peakProcesses,
    oom_kills: usage.oomKills,
  };
}

/** The newest text of both streams, up to the offsets in `totals`. */
export async function describeOutput(run: PrintedRun, totals: RunOutcome["totals"], maxBytes: number) {
  const [stdout, stderr] = await Promise.all(
    STREAMS.map((stream) => textOf(run, stream, totals[stream], maxBytes)),
  );
  const truncated = [stdout, stderr].flatMap((part) =>
    part?.truncated === undefined ? [] : [part.truncated],
  );
  return {
    stdout: stdout?.text ?? "",
    stderr: stderr?.text ?? "",
    ...(truncated.length > 0 ? { truncated } : {}),
  };
}

async function textOf(run: PrintedRun, stream: Stream, end: number, maxBytes: number) {
  const { bytes, totalBytes } = await run.journal.tail(stream, maxBytes, end);
  const isWhole = bytes.byteLength === totalBytes;
  const kept = isWhole ? bytes : fromCharacterStart(bytes);
  return {
    // Invalid bytes become U+FFFD; a byte order mark is output like any other.
    text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(kept),
    ...(isWhole ? {} : { truncated: { stream, total_bytes: totalBytes, kept_bytes: kept.byteLength } }),
  };
}

/** Cutting off the oldest bytes may have cut a character in two; its rest is left out. */
function fromCharacterStart(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return bytes.subarray(start);
}

/**
 * Client libraries show stdout, stderr and an exit code and nothing else. Where these would not say why the
 * run ended, stderr gets a last line, as a shell would print.
 */
function withReason(stderr: string, { end }: RunOutcome): string {
  if (end.cause === "exited" || end.cause === "signalled") return stderr;
  const reason = end.cause === "timed_out" ? timeoutText("Execution", end.afterMs) : describeEnd(end);
  return `${stderr === "" || stderr.endsWith("\n") ? stderr : `${stderr}\n`}${reason}\n`;
}

/** The text of the published page. */
export function timeoutText(what: "Execution" | "Command", ms: number): string {
  const seconds = ms / 1000;
  return `${what} timeout after ${seconds} second${seconds === 1 ? "" : "s"}`;
}
