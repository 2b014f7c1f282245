/** One thing that a sandbox can do on this machine, or cannot. */
export interface Capability {
  readonly capability: string;
  /** `limited`: it works, with less than it could be. */
  readonly state: "ok" | "missing" | "limited";
  readonly version: string | null;
  readonly detail: string;
  /** How to get it; null when there is nothing to get. */
  readonly fix: string | null;
}

/** What one check found. When something `required` is missing, the daemon cannot work. */
export interface Finding extends Capability {
  readonly required: boolean;
}

export function finding(
  capability: string,
  state: Capability["state"],
  detail: string,
  { version = null, fix = null }: Partial<Pick<Capability, "version" | "fix">> = {},
): Finding {
  return { capability, state, version, detail, fix, required: false };
}

export function required(found: Finding): Finding {
  return { ...found, required: true };
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
