import type { z } from "zod";
import { describeEnd, exitCode, type RunEnd } from "../../engine/run.ts";
import type { Recording } from "../../engine/terminal/recording.ts";
import type { TerminalSession } from "../../engine/terminal/session.ts";
import type { recording, session } from "./terminal-schema.ts";

export function describeSession(found: TerminalSession): z.output<typeof session> {
  const { facts, end } = found;
  return {
    session_id: found.id,
    name: facts.name ?? null,
    running: found.isRunning,
    mode: found.mode ?? null,
    command: [...facts.argv],
    pid: found.pid ?? null,
    ...found.size,
    output_offset: found.outputOffset,
    held: found.isHeld,
    viewers: found.viewers,
    created_at: found.createdAt.toISOString(),
    idle_seconds: Math.round(found.idleMs) / 1000,
    exit_code: end === undefined ? null : exitCode(end),
    end: end === undefined ? null : describeSessionEnd(end),
    recording: found.recording === undefined ? null : describeRecording(found.recording),
  };
}

export function describeSessionEnd(end: RunEnd) {
  const signal = end.cause === "signalled" ? { signal: end.signal } : {};
  return { cause: end.cause, description: describeEnd(end), ...signal };
}

export function describeRecording({ state, bytes, startedAt }: Recording): z.output<typeof recording> {
  return { state, bytes, started_at: startedAt.toISOString() };
}
