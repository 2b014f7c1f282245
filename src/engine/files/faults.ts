import { EngineError, type EngineErrorCode } from "../error.ts";

/** What the system's error codes mean to a caller. Anything else is a fault of ours or of the machine. */
const MEANINGS: Readonly<Record<string, readonly [EngineErrorCode, string]>> = {
  ENOENT: ["not_found", "it does not exist"],
  EACCES: ["denied", "permission denied"],
  EPERM: ["denied", "operation not permitted"],
  EROFS: ["denied", "the file system is read-only"],
  EISDIR: ["invalid", "it is a directory"],
  ENOTDIR: ["invalid", "it, or a part of its path, is not a directory"],
  ELOOP: ["invalid", "too many levels of symbolic links"],
  ENAMETOOLONG: ["invalid", "the name is too long"],
  EINVAL: ["invalid", "the name or the operation is not valid there"],
  ENXIO: ["invalid", "it is a device or socket that cannot be opened"],
  EEXIST: ["exists", "it exists"],
  ENOTEMPTY: ["exists", "the directory is not empty"],
  EBUSY: ["invalid", "it is in use, for example as a mount point"],
  ETXTBSY: ["invalid", "it is a program that is running"],
  // Not a fault that a second try could cure, so not `unavailable`: client libraries would send it again.
  ENOSPC: ["too_large", "no space left on the device"],
  EDQUOT: ["too_large", "the disk quota is used up"],
  EFBIG: ["too_large", "the file would be too large for the file system"],
  EMFILE: ["unavailable", "too many open files"],
  ENFILE: ["unavailable", "too many open files"],
};

/**
 * The engine's error for what the system refused.
 * @param action For example "read" or "write to".
 */
export function fileFault(cause: unknown, action: string, path: string): Error {
  // What was wrong with a directory on the way is told of the path that the client named.
  if (cause instanceof EngineError && systemCode(cause.cause) !== undefined)
    return fileFault(cause.cause, action, path);
  const code = systemCode(cause);
  // Not from the system: whoever gave the content says what became of it.
  if (code === undefined) return cause instanceof Error ? cause : new Error(String(cause));
  const [kind, reason] = MEANINGS[code] ?? ["internal", code];
  if (kind === "not_found") return notFound(path, cause);
  return new EngineError(kind, `Cannot ${action} ${path}: ${reason}`, {
    cause,
    details: { path, reason: code },
  });
}

/** The text of the published page. */
export function notFound(path: string, cause?: unknown): EngineError {
  return new EngineError("not_found", `File not found: ${path}`, { cause, details: { path } });
}

/** For example ENOENT. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
