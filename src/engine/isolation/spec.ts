/** What an isolated session is made of, complete: every default is already filled in. */
export interface IsolationSpec {
  /** At least one; the first is where the session begins. Absolute paths inside, each once. */
  readonly mounts: readonly IsolatedMount[];
  readonly profile: "strict" | "balanced";
  /** Paths that are the sandbox's own, writable. */
  readonly extraWritable: readonly string[];
  readonly binds: readonly BindMount[];
  /** Whether the sandbox's network is the session's; without it there is only a loopback of its own. */
  readonly shareNet: boolean;
  readonly environment: { readonly mode: "allow" | "deny"; readonly keys: readonly string[] };
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** `setpriv`: the session is that user; `userns`: it only looks so from inside. */
  readonly uidMode: "setpriv" | "userns";
  /** 0: never ends for want of use. */
  readonly idleMs: number;
}

/**
 * `rw` and `ro` are the very directory; `overlay` shows it, and keeps what is changed apart until the session
 * ends and it is dropped.
 */
export interface IsolatedMount {
  readonly path: string;
  readonly mode: "rw" | "overlay" | "ro";
}

export interface BindMount {
  readonly source: string;
  readonly dest: string;
  readonly readonly: boolean;
}

/** A mount with the directory of the daemon's own file system that has its content. */
export interface PlacedMount extends IsolatedMount {
  readonly host: string;
}

/** What this machine can do, found out by doing it. */
export interface IsolationReport {
  readonly available: boolean;
  readonly version: string | undefined;
  /** Why not. */
  readonly message: string | undefined;
  readonly setpriv: boolean;
  readonly userns: boolean;
  readonly overlay: boolean;
}
