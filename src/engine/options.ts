import type { RunKind } from "./activity.ts";
import type { CacheOptions } from "./code/cache.ts";
import type { Argv, Language, LanguageId } from "./code/languages.ts";
import type { Environment } from "./environment.ts";
import type { ScreenSize } from "./desktop/x11/randr.ts";
import type { ExecutionsOptions } from "./executions/registry.ts";
import type { KernelSettings } from "./kernels/open-contexts.ts";
import type { RunLimits } from "./process/containment.ts";
import type { ShellSettings } from "./shell/sessions.ts";
import type { RunIdentity } from "./identity.ts";
import type { TerminalOptions } from "./terminal/terminals.ts";
import type { TargetKind } from "./webhooks/targets.ts";

export interface EngineOptions
  extends CacheOptions, KernelSettings, ExecutionsOptions, TerminalOptions, ShellSettings {
  /** Directory in which runs work by default. */
  readonly workspace: string;
  /** Directory for what only the daemon may read, and for the product's own Python. */
  readonly dataDirectory: string;
  /** The daemon's environment without its settings. */
  readonly inheritedEnvironment: Environment;
  /** MySQL-compatible server that SQL is run on; undefined: none. */
  readonly sqlUrl: string | undefined;
  /** File whose variables every run gets; undefined: one in the data directory that runs may write. */
  readonly environmentFile: string | undefined;
  /** Interpreters to use instead of those in PATH. */
  readonly programs: Readonly<Partial<Record<LanguageId, string>>>;
  /** User to run code as; undefined: the daemon's own. */
  readonly runAs: string | undefined;
  readonly containment: "auto" | "process_group";
  /** Directories outside of which no file may be touched; none: no such bound. */
  readonly allowedRoots: readonly string[];
  readonly maxRuns: number;
  /** Interpreters of each kind that wait for a program; 0: every run starts its own. */
  readonly warmInterpreters: number;
  /** Of the screen of a new desktop session. */
  readonly desktopSize: ScreenSize;
  /** How long and how many background processes are remembered after their end, and how much of their output. */
  readonly backgroundKeepMs: number;
  readonly backgroundKeepCount: number;
  readonly backgroundKeepBytes: number;
  /** Kinds of addresses that webhooks may lead to. */
  readonly webhookTargets: readonly TargetKind[];
  /** Before the second attempt of a webhook; the pauses after that grow from it. */
  readonly webhookRetryBaseMs: number;
  /** How many entries the record of what was done has at most (0: there is none), and how old. */
  readonly timelineKeepCount: number;
  readonly timelineKeepMs: number;
  readonly killGraceMs: number;
  readonly journalMemoryBytes: number;
  readonly journalBytes: number;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** What anything that runs may be given. */
export interface RunRequest {
  /** Absolute, or relative to the workspace. */
  readonly cwd?: string | undefined;
  readonly env?: Environment | undefined;
  /** User to run as; its HOME and names replace those of the environment. Absent: the one of all runs. */
  readonly identity?: RunIdentity | undefined;
  readonly stdin?: string | undefined;
  /** More input may follow while it runs (`ProcessRun.stdin`); `stdin` then is only its beginning. */
  readonly keepStdinOpen?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
  readonly limits?: RunLimits | undefined;
  /** What the record and the figures call it; absent: a command, or code. */
  readonly kind?: RunKind | undefined;
}

export interface CommandRequest extends RunRequest {
  readonly argv: Argv;
  /** Of what the client gave, where that is not the arguments. */
  readonly inputBytes?: number | undefined;
}

export interface CodeRequest extends RunRequest {
  readonly language: Language;
  readonly code: string;
}
