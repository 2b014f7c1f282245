import type { KernelMessage } from "../jupyter/kernel-message.ts";
import { describeEnd, type RunEnd } from "../run.ts";
import { Interruption, type InterruptOutcome } from "./interruption.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelRequest } from "./kernel-request.ts";
import type { KernelRun } from "./kernel-run.ts";
import type { RawOutput } from "./raw-output.ts";

/** Why a kernel was ended by us, as its run is told. */
export interface Sentence {
  readonly name: string;
  readonly message: string;
}

export interface TurnOptions {
  readonly kernel: Kernel;
  /** Where what is printed past the kernel comes from, if there is such. */
  readonly raw: RawOutput | undefined;
  readonly interruptGraceMs: number;
  /** Why the kernel was ended by us, when it was. */
  readonly sentence: () => Sentence | undefined;
  /** Replaces a kernel that does not heed an interrupt. */
  readonly replace: () => Promise<void>;
}

/** One run having its turn in a kernel. */
export class Turn {
  readonly run: KernelRun;
  readonly #options: TurnOptions;
  #interruption: Interruption | undefined;
  /** Settles when the code has been sent, which may have to be translated first. */
  #sending: Promise<unknown> | undefined;

  constructor(run: KernelRun, options: TurnOptions) {
    this.run = run;
    this.#options = options;
  }

  /** Executes the run, and gives how it ended. Never rejects. */
  async take(): Promise<RunEnd> {
    const { kernel, interruptGraceMs } = this.#options;
    try {
      const sending = this.#send();
      this.#sending = sending;
      const request = await sending;
      const interruption = new Interruption(kernel, request, interruptGraceMs);
      this.#interruption = interruption;
      await Promise.race([request.finished, kernel.died, this.run.stopRequested]);
      return await this.#conclude(request, interruption);
    } catch (error) {
      return { cause: "lost", message: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Interrupts it; undefined when the kernel has not been given it yet. */
  async interrupt(): Promise<Exclude<InterruptOutcome, "stubborn"> | "restarted" | undefined> {
    await this.#sending?.catch(() => undefined);
    const how = await this.#interruption?.outcome();
    if (how !== "stubborn") return how;
    await this.#options.replace();
    return "restarted";
  }

  async #send(): Promise<KernelRequest> {
    const { kernel, raw } = this.#options;
    this.run.begin(kernel);
    raw?.aim(this.run);
    const { code, silent = false } = this.run.request;
    const translated = (await kernel.kind.translate?.(code)) ?? code;
    return kernel.execute(translated, { silent, allowStdin: this.run.takesInput }, (said) =>
      this.run.hear(said),
    );
  }

  /** How a run ended of which the first fact is known: it is finished, its kernel died, or it is to stop. */
  async #conclude(request: KernelRequest, interruption: Interruption): Promise<RunEnd> {
    const { kernel, raw, sentence } = this.#options;
    const { stop } = this.run;
    if (stop && !request.isFinished && !kernel.death) await this.interrupt();
    if (request.isFinished) await raw?.flush();
    else this.#tellDeath();
    if (stop) return stop;
    if (request.isFinished) return endOf(this.run, await request.finished, interruption);
    if (sentence() || !kernel.death) return { cause: "cancelled", reason: "requested" };
    return kernel.death.end;
  }

  #tellDeath(): void {
    const { kernel, sentence } = this.#options;
    const how = kernel.death ? describeDeath(kernel.death.end) : "was ended";
    const { name, message } = sentence() ?? {
      name: "KernelDied",
      message: `The kernel ${how} during this run: its variables are lost`,
    };
    this.run.fail(name, message);
  }
}

/** As `describeEnd`, after the name of what died. */
export function describeDeath(end: RunEnd): string {
  return end.cause === "exited" || end.cause === "could_not_start"
    ? describeEnd(end)
    : `was ${describeEnd(end)}`;
}

/** How a run ended that the kernel is through with. */
function endOf(run: KernelRun, said: KernelMessage | "lost", { isMade }: Interruption): RunEnd {
  const reply = said !== "lost" && said.type === "execute_reply" ? said : undefined;
  if (reply?.status === "ok") return { cause: "exited", code: 0 };
  if (reply?.status === "error" && !run.hasFailed)
    run.fail(reply.failure.name, reply.failure.message, reply.failure.traceback);
  // ipykernel does not reply when it is interrupted in the moment before or after the user's code.
  if (reply === undefined && isMade && !run.hasFailed)
    run.fail("Interrupted", "The kernel was interrupted when it had not quite begun or was almost done");
  if (run.hasFailed || reply?.status === "error") return { cause: "exited", code: 1 };
  return { cause: "lost", message: "the kernel is idle again and has not said how the code ended" };
}
