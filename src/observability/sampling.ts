import type { Sampler } from "../lib/trace-context.ts";
import type { TelemetrySettings } from "../lib/telemetry-settings.ts";

/** By the last 13 digits of the trace id, which are random: the same trace is kept or left everywhere. */
export function samplerOf({ isParentBased, ratio }: TelemetrySettings["sampling"]): Sampler {
  const bound = ratio * 16 ** 13;
  return (traceId, parent) => {
    if (parent !== undefined && isParentBased) return parent.isSampled;
    return parseInt(traceId.slice(-13), 16) < bound;
  };
}
