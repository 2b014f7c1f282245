import { layerEnvironment, type Environment } from "./environment.ts";
import { identityEnvironment, userOf } from "./identity.ts";
import type { RunRequest } from "./options.ts";
import { RUN_ID_VARIABLE } from "./process/process-group.ts";
import type { ProcessRunSpec } from "./process/process-run.ts";
import type { RunId } from "./run.ts";
import { traceVariables } from "./trace-variables.ts";
import type { RunUser } from "./user.ts";
import type { Workspace } from "./workspace.ts";

export interface RunPlacesOptions {
  /** Whom runs are started as; undefined: the daemon's own user. */
  readonly user: RunUser | undefined;
  readonly workspace: Workspace;
  /** What every run gets, just now. */
  readonly environment: () => Environment;
  /** By which programs find the display, while there is one. */
  readonly display: () => Environment;
}

/** Everything about a process but its program: where it runs, as whom, with which variables, input and limits. */
export class RunPlaces {
  readonly #options: RunPlacesOptions;

  constructor(options: RunPlacesOptions) {
    this.#options = options;
  }

  /** @throws EngineError `invalid` for a bad directory or variable, `denied`. */
  of(id: RunId, request: RunRequest): Omit<ProcessRunSpec, "id" | "argv"> {
    const { workspace, environment, display, user: everybody } = this.#options;
    const user = request.identity ? userOf(request.identity, everybody) : everybody;
    const own = user === everybody || user === undefined ? {} : identityEnvironment(user);
    const env = layerEnvironment(environment(), display(), own, traceVariables(id), request.env);
    return {
      cwd: workspace.directory(request.cwd, user),
      env: { ...env, [RUN_ID_VARIABLE]: id },
      stdin: stdinOf(request),
      user,
      limits: request.limits ?? {},
      timeoutMs: request.timeoutMs,
    };
  }
}

function stdinOf({ stdin, keepStdinOpen }: RunRequest): ProcessRunSpec["stdin"] {
  const bytes = stdin === undefined ? undefined : new TextEncoder().encode(stdin);
  return keepStdinOpen === true ? { open: bytes ?? new Uint8Array(0) } : bytes;
}
