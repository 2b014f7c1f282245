import { closeSync } from "node:fs";
import { EngineError } from "../error.ts";
import { adopt } from "../process/adoption.ts";
import type { Containment, RunLimits } from "../process/containment.ts";
import { createOutputPipe } from "../process/libc.ts";
import type { PreparedChild } from "../process/process-run.ts";
import type { RunId } from "../run.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelControl } from "./kernel-control.ts";
import { launchKernel, type KernelPlace } from "./launch.ts";
import { awaitKernel, type StartContext } from "./start-kernel.ts";

export interface CopyContext extends StartContext {
  readonly containment: Containment;
}

/**
 * Makes a kernel that is a copy of an idle one, with its variables: a process of its own, which lives on by itself.
 * @throws EngineError `unsupported` where the kernel cannot, `conflict` with what of its code cannot be copied,
 * `unavailable` when it does not answer or its copy does not come up.
 */
export async function copyKernel(
  original: Kernel,
  place: KernelPlace,
  context: CopyContext,
  signal: AbortSignal,
): Promise<Kernel> {
  const { kind, control } = original;
  if (control === undefined)
    throw new EngineError("unsupported", `Cannot copy the context: a ${kind.title} kernel cannot be copied`);
  const launched = await launchKernel(kind, place, context, (id, file, _, own) =>
    forkCopy(control, context, { id, file, limits: place.limits, own }),
  );
  return awaitKernel(kind, launched, context, signal);
}

interface CopyPlan {
  readonly id: RunId;
  /** Its connection file. */
  readonly file: string;
  readonly limits: RunLimits;
  /** Of the copy. */
  readonly own: KernelControl | undefined;
}

async function forkCopy(
  control: KernelControl,
  { containment, user }: CopyContext,
  { id, file, limits, own }: CopyPlan,
): Promise<PreparedChild> {
  const enclosure = containment.open(id, limits);
  const [stdout, stderr] = [createOutputPipe(), createOutputPipe()];
  // With an entrance that root has opened, code of another user could bring any process of the machine in.
  const entrances = user === undefined ? enclosure.entrances() : [];
  try {
    const ends = own === undefined ? [] : [own.theirs];
    const pid = await control.fork([file, id], [stdout.writeFd, stderr.writeFd, ...ends, ...entrances]);
    const exited = adopt(pid);
    if (exited === undefined)
      throw new EngineError("unavailable", "Cannot copy the context: its copy has ended or another parent");
    if (user !== undefined) await enclosure.bring(pid);
    enclosure.entered(pid);
    const child = { pid, stdout: stdout.readFd, stderr: stderr.readFd, stdin: undefined, exited };
    const begin = () => {
      own?.go();
      return child;
    };
    return { enclosure, begin };
  } catch (error) {
    for (const { readFd } of [stdout, stderr]) closeSync(readFd);
    void enclosure.kill().finally(() => enclosure.release());
    throw error;
  } finally {
    for (const fd of [stdout.writeFd, stderr.writeFd, ...entrances]) closeSync(fd);
  }
}
