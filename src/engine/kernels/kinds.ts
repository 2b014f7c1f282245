import { EngineError } from "../error.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { placePython } from "./place-python.ts";
import { findKernelspecs, type KernelspecSearch } from "./kernelspecs.ts";

/** The kernel of a language on this machine. @throws EngineError `invalid`, `unsupported`. */
export function findKind(language: string, search: KernelspecSearch): KernelKind {
  const spec = findKernelspecs(search).get("python3");
  if (language !== "python") throw new EngineError("invalid", `Invalid language: ${language}`);
  if (spec === undefined)
    throw new EngineError(
      "unsupported",
      "Cannot make a Python context: no kernel is installed. Add it with: sanderling setup python",
    );
  return {
    language: "python",
    title: "Python",
    spec,
    transport: "ipc",
    forwardsOutput: true,
    place: placePython,
  };
}
