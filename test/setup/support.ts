import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processEnvironment, readConfig } from "../../src/config/read.ts";
import type { Environment } from "../../src/engine/environment.ts";
import type { SetupContext } from "../../src/setup/context.ts";

export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

/** A directory that is gone after the test. */
export function temporaryDirectory(): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), "sanderling-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** The environment of the tests, as a set-up sees it. */
export const ENVIRONMENT: Environment = readConfig({
  flags: {},
  environment: processEnvironment(),
}).inheritedEnvironment;

export interface CollectingContext extends SetupContext {
  /** What was printed, in order. */
  readonly printed: string[];
}

export function contextFor(dataDirectory: string, environment: Environment = {}): CollectingContext {
  const printed: string[] = [];
  const output = { print: (text: string) => void printed.push(text), isTerminal: false };
  return {
    dataDirectory,
    user: undefined,
    environment: { ...ENVIRONMENT, ...environment },
    output,
    printed,
  };
}
