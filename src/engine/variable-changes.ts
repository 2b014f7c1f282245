import { checkVariable, type Environment } from "./environment.ts";
import { EngineError } from "./error.ts";

/** What the sandbox changes in the environment that every run starts with. */
export interface VariableChanges {
  readonly set: ReadonlyMap<string, string>;
  /** Names of the machine's variables that runs do not get. */
  readonly removed: ReadonlySet<string>;
}

export const NO_CHANGES: VariableChanges = { set: new Map(), removed: new Set() };

const RESERVED = "SANDERLING_";
const MOST_VARIABLES = 1000;
/** The kernel passes at most 128 KiB in one `name=value` with its final NUL. */
const MOST_BYTES_EACH = 128 * 1024 - 1;
/** Together with the machine's own and the arguments these must stay below the kernel's 2 MiB. */
const MOST_BYTES = 1024 * 1024;

/**
 * Without these, programs are not found or lose what makes them behave (`baseEnvironment`): they can be given
 * another value, but taking one away only brings its first value back.
 */
const ESSENTIAL = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "PYTHONUNBUFFERED", "MPLBACKEND"];

/** Names of the daemon's own, which runs are marked with: nobody sets them and nobody is told them. */
export function isReserved(name: string): boolean {
  return name.startsWith(RESERVED);
}

/** What runs get. */
export function applyChanges(base: Environment, { set, removed }: VariableChanges): Environment {
  const kept = Object.entries(base).filter(([name]) => !removed.has(name));
  return Object.fromEntries([...kept, ...set]);
}

/** Sets what has a value and takes away what is null. */
export function mergeChanges(
  base: Environment,
  { set, removed }: VariableChanges,
  wanted: Readonly<Record<string, string | null>>,
): VariableChanges {
  const next = { set: new Map(set), removed: new Set(removed) };
  for (const [name, value] of Object.entries(wanted)) {
    if (value === null) {
      next.set.delete(name);
      if (isRemovable(base, name)) next.removed.add(name);
    } else {
      next.set.set(name, value);
      next.removed.delete(name);
    }
  }
  return next;
}

/**
 * The changes that make the environment the one wanted. A variable of the machine that is missing there was
 * taken away when the map is an edited copy of what was read, and otherwise just not mentioned: a caller who
 * lists two variables of his own does not ask for programs without a proxy, a locale or their libraries.
 */
export function replaceChanges(
  base: Environment,
  { set, removed }: VariableChanges,
  wanted: Environment,
): VariableChanges {
  const isOwn = ([name, value]: [string, string]) => set.has(name) || base[name] !== value;
  const shown = Object.keys(base).filter((name) => !isReserved(name) && !removed.has(name));
  const isEditedCopy = shown.filter((name) => name in wanted).length > shown.length / 2;
  const missing = Object.keys(base).filter((name) => !(name in wanted) && isRemovable(base, name));
  return {
    set: new Map(Object.entries(wanted).filter(isOwn)),
    removed: new Set(isEditedCopy ? missing : []),
  };
}

/** @throws EngineError `invalid` for a name or value that cannot be, `too_large` above a bound. */
export function checkChanges({ set }: VariableChanges): void {
  let total = 0;
  for (const [name, value] of set) {
    checkVariable(name, value);
    if (isReserved(name)) refuse("invalid", name, `names that begin with ${RESERVED} are the daemon's own`);
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
    if (bytes > MOST_BYTES_EACH)
      refuse("too_large", name, `name and value have ${bytes} bytes, more than 131071`);
    total += bytes;
    if (total > MOST_BYTES)
      refuse("too_large", name, `all variables together have more than ${MOST_BYTES} bytes`);
  }
  if (set.size <= MOST_VARIABLES) return;
  throw new EngineError(
    "too_large",
    `Cannot set ${set.size} environment variables: the limit is ${MOST_VARIABLES}`,
  );
}

function isRemovable(base: Environment, name: string): boolean {
  return name in base && !isReserved(name) && !ESSENTIAL.includes(name);
}

function refuse(code: "invalid" | "too_large", name: string, reason: string): never {
  throw new EngineError(code, `Cannot set the environment variable ${shorten(name)}: ${reason}`);
}

function shorten(name: string): string {
  return name.length <= 100 ? name : `${name.slice(0, 100)}…`;
}
