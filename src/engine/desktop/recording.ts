import { statSync } from "node:fs";
import { describeEnd } from "../run.ts";
import type { ProcessRun } from "../process/process-run.ts";
import type { Argv } from "./host.ts";

export const RECORDING_FORMATS = ["mp4", "webm"] as const;
export type RecordingFormat = (typeof RECORDING_FORMATS)[number];
export const RECORDING_QUALITIES = ["low", "medium", "high"] as const;
export type RecordingQuality = (typeof RECORDING_QUALITIES)[number];

export interface RecordingOptions {
  readonly fps: number;
  readonly format: RecordingFormat;
  readonly quality: RecordingQuality;
  readonly mostSeconds: number;
  readonly mostBytes: number;
}

/** Why a recording is over. */
export type RecordingEnd =
  | {
      readonly state: "stopped";
      readonly reason: "requested" | "time_limit" | "size_limit" | "resolution_changed";
    }
  | { readonly state: "failed"; readonly reason: string };

/** A recorder that was asked to stop writes its last pictures; one that does not is ended. */
const STOP_MS = 10_000;
/** Between the recorder's own limit and ours, for its start and its last pictures. */
const SLACK_MS = 200;

/** One recording, from its start to its end; the file is whole at every moment. */
export class Recording {
  readonly startedAt = new Date();
  readonly #startedMs = performance.now();
  #endedAt: Date | undefined;
  #seconds: number | undefined;
  #end: RecordingEnd | undefined;
  #wanted: "requested" | "resolution_changed" | undefined;
  readonly #done: Promise<RecordingEnd>;

  constructor(
    readonly id: string,
    readonly path: string,
    readonly options: RecordingOptions,
    readonly run: ProcessRun,
  ) {
    this.#done = run.outcome.then(() => this.#finish());
  }

  /** Undefined while it is under way. */
  get end(): RecordingEnd | undefined {
    return this.#end;
  }

  get endedAt(): Date | undefined {
    return this.#endedAt;
  }

  /** Seconds, so far or in all. */
  get seconds(): number {
    return this.#seconds ?? (performance.now() - this.#startedMs) / 1000;
  }

  /** Bytes of the file, so far or in all. */
  get bytes(): number {
    try {
      return statSync(this.path).size;
    } catch {
      // Not there, or in what is no directory: there is nothing of it.
      return 0;
    }
  }

  /** Lets the recorder write its last pictures; settles when it has ended. */
  async stop(reason: "requested" | "resolution_changed" = "requested"): Promise<RecordingEnd> {
    if (this.#end) return this.#end;
    this.#wanted ??= reason;
    this.run.signal("SIGINT");
    const timer = setTimeout(() => void this.run.cancel("requested"), STOP_MS);
    return this.#done.finally(() => clearTimeout(timer));
  }

  async #finish(): Promise<RecordingEnd> {
    const { end } = await this.run.outcome;
    this.#seconds = (performance.now() - this.#startedMs) / 1000;
    this.#endedAt = new Date();
    const words = new TextDecoder().decode((await this.run.journal.tail("stderr", 400)).bytes).trim();
    const isClean = end.cause === "exited" && (end.code === 0 || (this.#wanted && end.code === 255));
    this.#end = isClean
      ? { state: "stopped", reason: this.#wanted ?? this.#limitReached() }
      : { state: "failed", reason: `ffmpeg ${describeEnd(end)}${words === "" ? "" : `: ${words}`}` };
    await this.run.destroy();
    return this.#end;
  }

  #limitReached(): "time_limit" | "size_limit" {
    return this.seconds * 1000 + SLACK_MS >= this.options.mostSeconds * 1000 ? "time_limit" : "size_limit";
  }
}

const X264 = { low: "32", medium: "26", high: "20" } as const;
const VP8 = { low: "400k", medium: "1M", high: "3M" } as const;

/**
 * The recorder's command line. Both formats are written in pieces that stand by themselves, so that the file is
 * playable up to its last piece, whatever becomes of the recorder or the disk.
 */
export function recorderArgv(
  display: number,
  size: { readonly width: number; readonly height: number },
  path: string,
  { fps, format, quality, mostSeconds, mostBytes }: RecordingOptions,
): Argv {
  const input = ["-f", "x11grab", "-framerate", String(fps), "-video_size", `${size.width}x${size.height}`];
  // A piece a second: what a sudden end can cost.
  const pieces = ["-g", String(Math.max(1, Math.round(fps)))];
  // Sides must be even for the common pixel format.
  const video = ["-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-pix_fmt", "yuv420p"];
  const limits = ["-t", String(mostSeconds), "-fs", String(mostBytes)];
  const quiet = ["-hide_banner", "-loglevel", "error", "-nostdin", "-y"];
  const encoder = {
    mp4: [
      ...["-c:v", "libx264", "-preset", "ultrafast", "-crf", X264[quality]],
      ...["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-flush_packets", "1"],
    ],
    webm: [
      ...["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", VP8[quality]],
      ...["-cluster_time_limit", "1000", "-flush_packets", "1"],
    ],
  }[format];
  const source = ["-i", `:${display}`, ...video, ...pieces, ...encoder, ...limits, "-f", format, path];
  return ["ffmpeg", ...quiet, ...input, ...source];
}
