import { EngineError } from "../error.ts";
import type { Kernel } from "./kernel.ts";

/** Something that is done in a kernel between two runs, and waits for its turn like one. */
export class Errand {
  readonly #act: (kernel: Kernel) => Promise<void>;
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(act: (kernel: Kernel) => Promise<void>) {
    this.#act = act;
  }

  /** Settles when it is done; rejects as `act` does, or because its turn never came. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Never rejects. */
  async perform(kernel: Kernel): Promise<void> {
    try {
      await this.#act(kernel);
      this.#done.resolve();
    } catch (error) {
      this.#done.reject(error);
    }
  }

  /** Told that its turn will not come. */
  lose(message: string): void {
    this.#done.reject(new EngineError("gone", message));
  }
}
