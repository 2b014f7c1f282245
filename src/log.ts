import pino from "pino";

/** The daemon's one logger: JSON lines, or readable ones on a terminal; always to stderr. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface LogOptions {
  readonly level: string;
  readonly format: "auto" | "json" | "pretty";
}

const STDERR = 2;

/**
 * Credentials never reach the log: no caller passes them, and should one ever do, these names are blanked.
 * Code, variables and output are never passed at all.
 */
const REDACTED = [
  "authorization",
  "token",
  "secret",
  "apiKey",
  "env",
  "code",
  "*.authorization",
  "*.token",
  "*.secret",
];

export async function createLog({ level, format }: LogOptions): Promise<Log> {
  const isPretty = format === "pretty" || (format === "auto" && process.stderr.isTTY);
  const formatters = { level: (label: string) => ({ level: label }) };
  const options = {
    level,
    redact: REDACTED,
    base: null,
    formatters,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (!isPretty) return asLog(pino(options, pino.destination({ dest: STDERR, sync: true })));
  // In this process: the worker thread that pino would start cannot be part of one executable.
  const { default: pretty } = await import("pino-pretty");
  return asLog(pino(options, pretty({ destination: STDERR, sync: true, translateTime: "HH:MM:ss.l" })));
}

/** Pino's own type has every method name there is, `then` included, so no promise could hold it. */
function asLog(log: Log): Log {
  return log;
}
