import { randomBytes } from "node:crypto";
import { EngineError, type EngineErrorCode } from "../error.ts";
import type { Idempotency } from "../idempotency.ts";

export type OperationKind = "command" | "pty";

/** What a caller that lost the answer to a creation is told. */
export interface Operation {
  readonly kind: OperationKind;
  /** What was created. */
  readonly handle: string;
  readonly expiresAt: Date;
}

export type OperationProblem =
  | "invalid_operation_id"
  | "operation_instance_mismatch"
  | "operation_expired"
  | "operation_not_found"
  | "operation_capacity_exceeded";

const RETENTION_SECONDS = 24 * 60 * 60;
const CAPACITY = 4096;

const CODES: Readonly<Record<OperationProblem, EngineErrorCode>> = {
  invalid_operation_id: "invalid",
  operation_instance_mismatch: "conflict",
  operation_expired: "gone",
  operation_not_found: "not_found",
  operation_capacity_exceeded: "busy",
};

/**
 * Creations whose caller has named them beforehand, as `<instance>.<seconds>.<token>`, so that it finds what it
 * created when the answer was lost, and creates nothing twice. The name says which daemon it was meant for: after
 * a restart nobody knows any more what became of it, and it is refused rather than done again.
 */
export class Operations {
  readonly instance = randomBytes(16).toString("hex");
  readonly retentionSeconds = RETENTION_SECONDS;
  readonly capacity = CAPACITY;
  readonly #idempotency: Idempotency;
  readonly #known = new Map<string, Operation>();

  constructor(idempotency: Idempotency) {
    this.#idempotency = idempotency;
  }

  /**
   * Creates something once; a repeat of the same creation gets what the first has made.
   * @param fingerprint Of everything that was asked for.
   * @throws EngineError with the problem in `details.operation`, or `conflict` for the same name with another
   * request.
   */
  async create(
    kind: OperationKind,
    name: string,
    fingerprint: string,
    start: () => Promise<string>,
  ): Promise<Operation> {
    const expiresAt = this.#expiryOf(name);
    const key = `${kind} ${name}`;
    if (!this.#known.has(key)) this.#makeRoom();
    const { answer } = await this.#idempotency.once(`operation ${key}`, fingerprint, start);
    const operation = { kind, handle: answer, expiresAt };
    this.#known.set(key, operation);
    return operation;
  }

  /** @throws EngineError as `create`. */
  find(kind: OperationKind, name: string): Operation {
    this.#expiryOf(name);
    const operation = this.#known.get(`${kind} ${name}`);
    if (operation) return operation;
    throw problem("operation_not_found", "nothing was created under this name");
  }

  #expiryOf(name: string): Date {
    const [, instance, seconds = ""] = /^([0-9a-f]{32})\.(0|[1-9]\d{0,11})\.[\w-]{8,128}$/.exec(name) ?? [];
    if (instance === undefined)
      throw problem("invalid_operation_id", "expected instance, seconds and a token of 8 to 128 characters");
    if (instance !== this.instance)
      throw problem(
        "operation_instance_mismatch",
        "it was meant for another daemon, or this one before a restart",
      );
    const issued = Number(seconds);
    if (issued > Date.now() / 1000) throw problem("invalid_operation_id", "its time is in the future");
    const expiresAt = new Date((issued + RETENTION_SECONDS) * 1000);
    if (expiresAt.getTime() > Date.now()) return expiresAt;
    throw problem("operation_expired", `it could be used until ${expiresAt.toISOString()}`);
  }

  /** What has not expired stays, so that no name is ever used twice. */
  #makeRoom(): void {
    if (this.#known.size < CAPACITY) return;
    for (const [key, { expiresAt }] of this.#known)
      if (expiresAt.getTime() <= Date.now()) this.#known.delete(key);
    if (this.#known.size >= CAPACITY)
      throw problem(
        "operation_capacity_exceeded",
        `${CAPACITY} operations are remembered, which is the limit`,
      );
  }
}

function problem(what: OperationProblem, reason: string): EngineError {
  return new EngineError(CODES[what], `Cannot use this operation id: ${reason}`, {
    details: { operation: what },
  });
}
