import { join } from "node:path";
import type { Activity } from "../activity.ts";
import type { CodeRequest, EngineOptions } from "../options.ts";
import type { ProcessRun } from "../process/process-run.ts";
import type { RichEvent, RunId } from "../run.ts";
import type { RunPlaces } from "../run-places.ts";
import type { RunTable } from "../runs.ts";
import type { RunUser } from "../user.ts";
import type { Scratch } from "./runtimes.ts";
import { planScript, removeScript } from "./script.ts";
import { readShown } from "./shown.ts";
import type { WarmInterpreters } from "./warm/interpreters.ts";

interface Parts {
  readonly user: RunUser | undefined;
  readonly runs: RunTable;
  readonly scratch: Scratch;
  readonly warm: WarmInterpreters;
  readonly places: RunPlaces;
  readonly activity: Activity;
}

/** Programs that clients send: each is run once, in a process of its own, and what it showed is kept with its run. */
export class ProgramRuns {
  readonly #options: Pick<EngineOptions, "programs" | "maxDisplayBytes" | "onNotice">;
  readonly #parts: Parts;
  /** What programs showed, for as long as somebody holds their run. */
  readonly #shown = new WeakMap<ProcessRun, Promise<readonly RichEvent[]>>();

  constructor(options: Pick<EngineOptions, "programs" | "maxDisplayBytes" | "onNotice">, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** @throws EngineError `invalid` for a bad directory or variable, `busy`, `unsupported`. */
  async start(request: CodeRequest): Promise<ProcessRun> {
    const { scratch, user, runs, places, warm, activity } = this.#parts;
    const context = { scratch, user, programs: this.#options.programs };
    let written: RunId | undefined;
    try {
      const run = await runs.start(async (id) => {
        const place = places.of(id, request);
        written = id;
        const argv = await planScript(id, request.language, request.code, place, context);
        const program = {
          language: request.language.id,
          code: request.code,
          hasInput: place.stdin !== undefined,
        };
        const prepared = await warm.take({ ...place, ...program, argv });
        return { ...place, argv, prepared };
      });
      this.#shown.set(run, this.#takeShown(run));
      const { kind = "code", language, code } = request;
      return activity.add(run, { kind, language: language.id, inputBytes: Buffer.byteLength(code) });
    } catch (error) {
      if (written !== undefined) await this.#discard(written);
      throw error;
    }
  }

  /** What a program showed beside what it printed, once its run has ended; nothing after that run was let go. */
  async shownBy(run: ProcessRun): Promise<readonly RichEvent[]> {
    return (await this.#shown.get(run)) ?? [];
  }

  /** Reads it before the files of the run are removed. */
  async #takeShown(run: ProcessRun): Promise<readonly RichEvent[]> {
    const { scratch, user } = this.#parts;
    await run.outcome;
    const owner = user?.uid ?? process.getuid?.() ?? 0;
    const shown = readShown(join(scratch.path, run.id), owner, this.#options.maxDisplayBytes);
    void this.#discard(run.id);
    return shown;
  }

  /** A survivor may still write there; then the rest goes with the engine. */
  async #discard(id: RunId): Promise<void> {
    try {
      await removeScript(this.#parts.scratch, id);
    } catch (cause) {
      this.#options.onNotice("cannot remove the files of a run", { id, cause: String(cause) });
    }
  }
}
