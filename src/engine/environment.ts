import { EngineError } from "./error.ts";
import type { RunUser } from "./user.ts";

export type Environment = Readonly<Record<string, string>>;

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What every run starts with, before a request adds to it: the daemon's own environment as its owner made it
 * (the settings are already taken out, see config.ts), the user's identity, and what makes programs behave
 * without a terminal or a display.
 * @param binaries Directories searched before those of the machine, such as the product's own Python.
 */
export function baseEnvironment(
  inherited: Environment,
  user: RunUser,
  binaries: readonly string[],
): Environment {
  return {
    LANG: "C.UTF-8",
    // A run that is stopped must not lose what it printed to a buffer; container images do the same.
    PYTHONUNBUFFERED: "1",
    // Plots are drawn without a display.
    MPLBACKEND: "Agg",
    ...withoutPlace(inherited),
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: user.shell,
    PATH: [...binaries, inherited["PATH"] ?? DEFAULT_PATH].join(":"),
  };
}

/** Where a shell stood and what it ran when it started the daemon is not where a run stands. */
function withoutPlace(inherited: Environment): Environment {
  return Object.fromEntries(
    Object.entries(inherited).filter(([name]) => !["PWD", "OLDPWD", "_"].includes(name)),
  );
}

/**
 * Lays variables over others; later layers win.
 * @throws EngineError as `checkVariable`.
 */
export function layerEnvironment(
  base: Environment,
  ...layers: readonly (Environment | undefined)[]
): Environment {
  const result: Record<string, string> = { ...base };
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer ?? {})) {
      checkVariable(name, value);
      result[name] = value;
    }
  }
  return result;
}

/**
 * @throws EngineError `invalid` for a name that no process could receive, or a value with a NUL byte. The
 * value itself is never part of the message.
 */
export function checkVariable(name: string, value: string): void {
  if (!/^[^=\0]+$/.test(name)) {
    throw new EngineError(
      "invalid",
      `Cannot set the environment variable ${JSON.stringify(name)}: not a valid name`,
    );
  }
  if (value.includes("\0")) {
    throw new EngineError("invalid", `Cannot set the environment variable ${name}: its value has a NUL byte`);
  }
}
