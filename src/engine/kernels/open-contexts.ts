import { join } from "node:path";
import type { Environment } from "../environment.ts";
import type { Containment } from "../process/containment.ts";
import type { JournalOptions } from "../process/journal.ts";
import { KernelContexts } from "./contexts.ts";
import { copyKernel } from "./copy-kernel.ts";
import { KernelForks } from "./kernel-forks.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { findKind, listKernels, type KernelSearch } from "./kernel-languages.ts";
import type { KernelRun } from "./kernel-run.ts";
import type { LaunchContext } from "./launch.ts";
import { KernelPool } from "./pool.ts";
import { startKernel } from "./start-kernel.ts";
import { availableMemory } from "../system/memory.ts";

/** What an owner may set. */
export interface KernelSettings {
  /** Contexts at once. */
  readonly maxContexts: number;
  /** Runs that may wait for their turn in one context. */
  readonly contextQueueLength: number;
  /** After so long without activity a context is deleted, in milliseconds; 0: never. */
  readonly contextIdleMs: number;
  /** From an interrupt until the kernel must be idle, in milliseconds; then it is restarted. */
  readonly interruptGraceMs: number;
  /** From the start of a kernel until it answers, in milliseconds. */
  readonly kernelStartTimeoutMs: number;
  /** Bytes of one value that a run shows, such as a picture; larger ones are cut or left out, with a mark. */
  readonly maxDisplayBytes: number;
  /** Kernels of each language that wait for a context, from its first use on. */
  readonly kernelPoolSize: number;
  /** Memory that must be left, in bytes; with less no kernels wait. */
  readonly kernelPoolSpareBytes: number;
  /** Languages whose kernels wait from the start. */
  readonly kernelPoolLanguages: readonly string[];
}

export interface ContextsPlace extends Omit<LaunchContext, "forks"> {
  readonly containment: Containment;
  readonly journal: JournalOptions;
  /** The prefix of the product's own Python. */
  readonly prefix: string;
  /** Interpreters to use instead of those in PATH. */
  readonly programs: KernelSearch["programs"];
  readonly environment: () => Environment;
  readonly directory: (cwd: string | undefined) => string;
  readonly onRun: (run: KernelRun) => void;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** Of one message of a kernel that are held: several values may come in one, and JSON makes them longer. */
const MESSAGE_FACTOR = 4;
const RICH_EVENTS = 10_000;
const RICH_FACTOR = 8;

/** Contexts that are made as the owner's settings say. */
export function openContexts(settings: KernelSettings, place: ContextsPlace): KernelContexts {
  const { maxDisplayBytes } = settings;
  const waits = () => ({ cwd: place.directory(undefined), env: place.environment(), limits: {} });
  const forks =
    settings.kernelPoolSize === 0
      ? undefined
      : new KernelForks({ ...place, spareBytes: settings.kernelPoolSpareBytes, place: waits });
  const start = {
    ...place,
    forks,
    startTimeoutMs: settings.kernelStartTimeoutMs,
    messageBytes: MESSAGE_FACTOR * maxDisplayBytes,
  };
  const pool = new KernelPool({
    ...place,
    size: settings.kernelPoolSize,
    spareBytes: settings.kernelPoolSpareBytes,
    start: (kind, where, signal) => startKernel(kind, where, start, signal),
    place: waits,
    forks,
    isBusy: () => place.runs.isStarting,
    availableMemory,
  });
  const search = (): KernelSearch => ({
    ...place,
    env: place.environment(),
    runtime: (name) => join(place.scratch, "runtimes", name),
  });
  const kindOf = (language: string) => findKind(language, search());
  // Not on the way of the daemon's own start.
  setTimeout(() => fillAhead(settings.kernelPoolLanguages, pool, kindOf, place.onNotice), 0);
  return new KernelContexts({
    ...settings,
    ...place,
    queueLength: settings.contextQueueLength,
    run: {
      journal: place.journal,
      rich: { events: RICH_EVENTS, bytes: RICH_FACTOR * maxDisplayBytes },
      valueBytes: maxDisplayBytes,
    },
    kindOf,
    list: () => listKernels(search()),
    pool,
    forks,
    copyKernel: (original, where, signal) => copyKernel(original, where, start, signal),
  });
}

function fillAhead(
  languages: readonly string[],
  pool: KernelPool,
  kindOf: (language: string) => KernelKind,
  onNotice: ContextsPlace["onNotice"],
): void {
  for (const language of languages) {
    try {
      pool.fill(kindOf(language));
    } catch (cause) {
      onNotice("cannot keep kernels ahead for a language", { language, cause: String(cause) });
    }
  }
}
