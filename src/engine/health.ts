import { statfsSync, statSync } from "node:fs";
import type { Engine } from "./engine.ts";

/** How one part of the engine does, in a word, with figures that give nothing away. */
export interface PartHealth {
  readonly state: string;
  readonly [figure: string]: string | number;
}

export interface Health {
  /** Whether new work is taken on and can be done. */
  readonly isReady: boolean;
  readonly parts: Readonly<Record<string, PartHealth>>;
}

/** With less a program cannot even write a small file. */
const LEAST_FREE_BYTES = 2 ** 20;

/** Looks at every part without waiting for anything: whoever asks wants to know about this moment. */
export function healthOf(engine: Engine): Health {
  const { runs, contexts, shells, terminals, isolated, background, timeline, containment, desktop } = engine;
  const parts = {
    runs: { state: stateOfRuns(engine), active: runs.active, limit: runs.limit },
    workspace: { state: stateOfDirectory(engine.workspace.path) },
    store: stateOfStore(engine),
    timeline: { state: timeline.state, waiting: timeline.counts.waiting },
    contexts: {
      state: "ok",
      count: contexts.list().length,
      queued: contexts.list().reduce((sum, { queued }) => sum + queued, 0),
    },
    sessions: {
      state: "ok",
      shell: shells.list().length,
      terminal: terminals.list().length,
      isolated: isolated.list().length,
      background: background.list().length,
    },
    desktop: { state: desktop.state.state },
    containment: { state: containment.kind },
  };
  const isReady = !runs.isClosing && parts.workspace.state === "ok" && parts.store.state === "ok";
  return { isReady, parts };
}

function stateOfRuns({ runs }: Engine): string {
  if (runs.isClosing) return "closing";
  return runs.active < runs.limit ? "ok" : "full";
}

function stateOfDirectory(path: string): string {
  try {
    if (!statSync(path).isDirectory()) return "missing";
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < LEAST_FREE_BYTES ? "full" : "ok";
  } catch {
    return "missing";
  }
}

/** Callbacks and idempotency keys are kept there; without it they are refused. */
function stateOfStore({ webhooks }: Engine): PartHealth {
  try {
    const { waiting = 0, pending = 0 } = webhooks.counts();
    return { state: "ok", webhooks: waiting + pending };
  } catch {
    return { state: "failing" };
  }
}
