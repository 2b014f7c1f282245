import { InvalidArgumentError, type Command } from "commander";

/** The options of everything that runs over there. */
export interface RunOptions {
  readonly workdir?: string;
  readonly env: readonly string[];
  readonly timeout: number;
  readonly stdin: boolean;
}

const DAY_SECONDS = 24 * 60 * 60;

export function addRunOptions(command: Command): Command {
  return command
    .option("-w, --workdir <DIR>", "directory over there to run in; default the workspace")
    .option("-e, --env <NAME=VALUE>", "environment variable; may be given again", collect, [])
    .option("-t, --timeout <SECONDS>", "stop it after this long", parseSeconds, DAY_SECONDS)
    .option("-n, --no-stdin", "give it no input");
}

export function runFields({ workdir, env, timeout }: RunOptions) {
  return {
    timeout,
    env: Object.fromEntries(env.map(parseVariable)),
    ...(workdir === undefined ? {} : { workdir }),
  };
}

/** @throws InvalidArgumentError, which commander shows as a usage error. */
export function parseVariable(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError(`Expected NAME=VALUE, got ${JSON.stringify(text)}.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function collect(value: string, before: readonly string[]): readonly string[] {
  parseVariable(value);
  return [...before, value];
}

function parseSeconds(text: string): number {
  if (/^\d+$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError("Expected a whole number of seconds.");
}
