import type { Environment } from "../environment.ts";
import type { KernelSpec } from "./kernelspecs.ts";

/** What the engine must know of the kernel of a language to start it and to speak with it. */
export interface KernelKind {
  /** The language's own word, for example "python". */
  readonly language: string;
  /** For people, for example "Python". */
  readonly title: string;
  readonly spec: KernelSpec;
  /** Unix sockets where the kernel takes them. */
  readonly transport: "ipc" | "tcp";
  /** The kernel sends what is written to its descriptors 1 and 2 itself; else it is taken from its pipes. */
  readonly forwardsOutput: boolean;
  /** Makes of the user's code what the kernel takes, every line in its place. */
  readonly translate?: ((code: string) => Promise<string>) | undefined;
  /** What starts a fork server that kernels of this kind come from; absent: each is started. */
  readonly forkServer?: readonly [string, ...string[]] | undefined;
  /** Whether its kernels make copies of themselves when they are asked to on descriptor 3 (kernel_copy.py). */
  readonly copiesItself?: boolean | undefined;
  /** Code for a fresh kernel before anybody uses it. */
  readonly warmUp?: string | undefined;
  /**
   * Code that puts a waiting kernel into a directory and an environment, which is all of it. Absent: the kernels
   * of this language cannot be moved, and none waits.
   */
  readonly place?: ((cwd: string, env: Environment) => string) | undefined;
}
