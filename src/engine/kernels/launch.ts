import { lchownSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../environment.ts";
import type { ConnectionInfo } from "../jupyter/client.ts";
import type { RunLimits } from "../process/containment.ts";
import { RUN_ID_VARIABLE } from "../process/process-group.ts";
import type { PreparedChild, ProcessRun } from "../process/process-run.ts";
import type { RunId } from "../run.ts";
import type { RunTable } from "../runs.ts";
import type { RunUser } from "../user.ts";
import { KernelControl } from "./kernel-control.ts";
import type { KernelForks } from "./kernel-forks.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { kernelCommand, type KernelSpec } from "./kernelspecs.ts";
import { freePorts } from "./ports.ts";

/** Where a kernel is started, and with what. */
export interface KernelPlace {
  /** Absolute, and known to be open to the user. */
  readonly cwd: string;
  readonly env: Environment;
  readonly limits: RunLimits;
}

export interface LaunchContext {
  readonly runs: RunTable;
  /** A directory of the engine's own, open to pass through. */
  readonly scratch: string;
  readonly user: RunUser | undefined;
  /** Where kernels come from that need not be started; absent: none does. */
  readonly forks?: KernelForks | undefined;
}

/** A kernel process, and how to reach it. */
export interface Launched {
  readonly process: ProcessRun;
  readonly connection: ConnectionInfo;
  /** Holds the connection file and the sockets; removed by whoever ends the process. */
  readonly directory: string;
  /** Asks the kernel for copies, where it makes such; closed by whoever ends the process. */
  readonly control: KernelControl | undefined;
}

/** Where the process of a kernel comes from that is not started. */
export type KernelSource = (
  id: RunId,
  connectionFile: string,
  env: Environment,
  control: KernelControl | undefined,
) => Promise<PreparedChild | undefined>;

/** The kernel takes at most 108 bytes as the path of a Unix socket, its end included (unix(7)). */
const LONGEST_SOCKET_PATH = 107;
const SOCKET_PREFIX = "s";

/**
 * Starts the process of a kernel, which is not yet ready then.
 * @throws EngineError `unsupported` for a limit that cannot be enforced, `unavailable` while shutting down.
 */
export async function launchKernel(
  kind: KernelKind,
  place: KernelPlace,
  { runs, scratch, user, forks }: LaunchContext,
  source: KernelSource = async (_, file, env) => forks?.take(kind, file, env, place),
): Promise<Launched> {
  const { spec } = kind;
  const control = kind.copiesItself === true ? KernelControl.open() : undefined;
  const descriptors = control ? [control.theirs] : [];
  // Short, because the paths of sockets are.
  const directory = join(scratch, `k${crypto.randomUUID().slice(0, 13)}`);
  try {
    await mkdir(directory, { mode: 0o700 });
    const connection = describeConnection(spec, kind.transport, directory);
    const file = join(directory, "connection.json");
    await writeFile(file, JSON.stringify(connection), { mode: 0o600, flag: "wx" });
    if (user) for (const path of [directory, file]) lchownSync(path, user.uid, user.gid);
    const process = await runs.startService(async (id) => {
      const env = kernelEnvironment(id, place.env, spec.env);
      const prepared = await source(id, file, env, control);
      return { ...place, argv: kernelCommand(spec, file), env, user, descriptors, prepared };
    });
    return { process, connection, directory, control };
  } catch (error) {
    await discardLaunched({ directory, control });
    throw error;
  } finally {
    control?.passed();
  }
}

/** Closes and removes what `launchKernel` made beside the process. */
export async function discardLaunched({
  directory,
  control,
}: Pick<Launched, "directory" | "control">): Promise<void> {
  control?.[Symbol.dispose]();
  await rm(directory, { recursive: true, force: true });
}

function describeConnection(spec: KernelSpec, wanted: "ipc" | "tcp", directory: string): ConnectionInfo {
  const prefix = join(directory, SOCKET_PREFIX);
  const transport = prefix.length + "-5".length > LONGEST_SOCKET_PATH ? "tcp" : wanted;
  const [shell_port = 0, iopub_port = 0, stdin_port = 0, control_port = 0, hb_port = 0] =
    transport === "ipc" ? [1, 2, 3, 4, 5] : freePorts(5);
  return {
    transport,
    ip: transport === "ipc" ? prefix : "127.0.0.1",
    ...{ shell_port, iopub_port, stdin_port, control_port, hb_port },
    key: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex"),
    signature_scheme: "hmac-sha256",
    kernel_name: spec.name,
  };
}

/** All that the process of a kernel gets. */
export function kernelEnvironment(id: RunId, env: Environment, ofSpec: Environment): Environment {
  return {
    ...env,
    ...ofSpec,
    [RUN_ID_VARIABLE]: id,
    // ipykernel ends by itself when this process has gone, however it went.
    JPY_PARENT_PID: String(process.pid),
  };
}
