import { z } from "zod";
import type { IsolationReport, IsolationSpec } from "../../engine/isolation/spec.ts";
import type { IsolatedSession } from "../../engine/isolation/session.ts";

/** Shapes of isolated sessions (contracts/opensandbox-execd.md, 13). */

const mode = z.enum(["rw", "overlay", "ro"]);
const absolute = z.string().startsWith("/", "expected an absolute path");
const id = z
  .int()
  .min(0)
  .max(2 ** 32 - 2);

export const isolatedRequest = z
  .object({
    workspace: z
      .object({ path: absolute, mode: mode.nullish().describe("Default rw") })
      .nullish()
      .describe("Where the session begins"),
    overlays: z
      .array(
        z.object({
          path: absolute,
          mode: mode.nullish().describe("Default overlay"),
          persist: z
            .boolean()
            .nullish()
            .describe("Of an overlay; either way its changes end with the session"),
        }),
      )
      .nullish(),
    profile: z.enum(["strict", "balanced"]).nullish().describe("Default balanced"),
    extra_writable: z.array(absolute).nullish(),
    binds: z
      .array(z.object({ source: absolute, dest: absolute.nullish(), readonly: z.boolean().nullish() }))
      .nullish(),
    share_net: z.boolean().nullish().describe("Default: no with strict, yes with balanced"),
    env_passthrough: z
      .object({ mode: z.enum(["allow", "deny"]).default("deny"), keys: z.array(z.string()).nullish() })
      .nullish(),
    uid: id.nullish(),
    gid: id.nullish(),
    uid_mode: z.enum(["setpriv", "userns"]).nullish(),
    idle_timeout_seconds: z
      .int()
      .min(0)
      .max(2 ** 31 / 1000 - 1)
      .nullish()
      .describe("0 and absent: no timeout"),
  })
  .refine(
    ({ workspace, overlays }) => workspace || (overlays && overlays.length > 0),
    "workspace is required",
  )
  .meta({ id: "IsolatedSessionRequest" });
export type IsolatedRequest = z.output<typeof isolatedRequest>;

export const isolatedRun = z
  .object({
    code: z.string().min(1, "code is required"),
    envs: z.record(z.string(), z.string()).nullish().describe("For this run only"),
    timeout_seconds: z
      .int()
      .min(0)
      .max(2 ** 31)
      .nullish()
      .describe("0 and absent: none; foreground runs only"),
    background: z.boolean().nullish(),
  })
  .meta({ id: "IsolatedRunRequest" });

/** Every default filled in. */
export function toSpec(request: IsolatedRequest): IsolationSpec {
  const { workspace, overlays, profile, env_passthrough: env, binds } = request;
  const first = workspace ? [{ path: workspace.path, mode: workspace.mode ?? ("rw" as const) }] : [];
  const further = (overlays ?? []).map(({ path, mode }) => ({ path, mode: mode ?? ("overlay" as const) }));
  return {
    mounts: [...first, ...further],
    profile: profile ?? "balanced",
    extraWritable: request.extra_writable ?? [],
    binds: (binds ?? []).map(({ source, dest, readonly }) => ({
      source,
      dest: dest ?? source,
      readonly: readonly ?? false,
    })),
    shareNet: request.share_net ?? profile !== "strict",
    environment: { mode: env?.mode ?? "deny", keys: env?.keys ?? [] },
    uid: request.uid ?? undefined,
    gid: request.gid ?? undefined,
    uidMode: request.uid_mode ?? "setpriv",
    idleMs: 1000 * (request.idle_timeout_seconds ?? 0),
  };
}

/** What a session was made of, so that a client that knows only its id can go on with it. */
export function describeSpec({ spec }: IsolatedSession) {
  const [first, ...further] = spec.mounts;
  return {
    profile: spec.profile,
    ...(further.length === 0 ? { workspace: first } : {}),
    overlays: spec.mounts,
    extra_writable: spec.extraWritable,
    binds: spec.binds,
    share_net: spec.shareNet,
    env_passthrough: spec.environment,
    uid: spec.uid,
    gid: spec.gid,
    uid_mode: spec.uidMode,
    idle_timeout_seconds: spec.idleMs / 1000,
  };
}

export function describeTimes({ createdAt, lastRunAt, idleSince, spec }: IsolatedSession) {
  const leftMs = idleSince.getTime() + spec.idleMs - Date.now();
  return {
    created_at: createdAt.toISOString(),
    // A client library wants it where there has been no run, too.
    last_run_at: (lastRunAt ?? createdAt).toISOString(),
    ...(spec.idleMs > 0 ? { idle_remaining_seconds: Math.max(0, Math.ceil(leftMs / 1000)) } : {}),
  };
}

export function describeCapabilities(report: IsolationReport) {
  return {
    available: report.available,
    isolator: "bubblewrap",
    version: report.version ?? "",
    message: report.message ?? "",
    setpriv_available: report.setpriv,
    userns_available: report.userns,
    overlay_supported: report.overlay,
    commit_supported: false,
    diff_supported: false,
  };
}
