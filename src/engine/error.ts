/**
 * The engine's one error. A code says what kind of refusal or fault it is; each protocol has one exhaustive
 * table from code to status (`protocols/<name>/errors.ts`), so that a new code does not compile until every
 * protocol answers it. A failing user program is not an error: it is a `RunEnd`.
 */
export type EngineErrorCode =
  | "invalid"
  | "not_found"
  | "exists"
  /** The thing is in another state than the request needs. */
  | "conflict"
  | "denied"
  /** What the request was conditional on is not so. */
  | "changed"
  | "busy"
  | "gone"
  | "too_large"
  | "unsupported"
  | "unavailable"
  | "internal";

export interface EngineErrorOptions {
  /** Facts a program can use, for example the path concerned. Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: EngineErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  /** @param message What could not be done, to what, and what was found. */
  constructor(code: EngineErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
