import { Terminal } from "@xterm/headless";
import { until } from "./engine.ts";

/** Where the bytes come from; only ever more of them. */
interface Source {
  readonly output: Buffer;
}

export interface ScreenSize {
  readonly cols: number;
  readonly rows: number;
}

/** What a person sees: the bytes of a terminal drawn by an emulator without a window. */
export class Screen implements Disposable {
  readonly #source: Source;
  readonly #terminal: Terminal;
  readonly #answerFrom: number;
  #drawn = 0;

  /**
   * @param answer Given what the emulator says to programs that ask it, such as where its cursor is.
   * @param answerFrom Bytes before this are replayed: what programs asked in them has been answered.
   */
  constructor(source: Source, size: ScreenSize, answer: (text: string) => void, answerFrom: number) {
    this.#source = source;
    this.#answerFrom = answerFrom;
    this.#terminal = new Terminal({ ...size, scrollback: 100, allowProposedApi: true });
    this.#terminal.onData((text) => {
      if (this.#drawn >= answerFrom) answer(text);
    });
  }

  /** Whether a program has the whole screen to itself. */
  get isFull(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  resize({ cols, rows }: ScreenSize): void {
    this.#terminal.resize(cols, rows);
  }

  /** The rows as they are now, without blanks at their ends. */
  async rows(): Promise<string[]> {
    const { output } = this.#source;
    if (this.#drawn < this.#answerFrom) await this.#draw(output.subarray(this.#drawn, this.#answerFrom));
    await this.#draw(output.subarray(this.#drawn));
    const { active } = this.#terminal.buffer;
    return Array.from({ length: this.#terminal.rows }, (_, row) => {
      const line = active.getLine(active.baseY + row);
      return line?.translateToString().trimEnd() ?? "";
    });
  }

  async #draw(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#terminal.write(bytes, resolve));
    this.#drawn += bytes.byteLength;
  }

  /** Waits until the rows are as described; tells what was there when they never are. */
  async shows(isSo: (rows: readonly string[]) => boolean): Promise<string[]> {
    let rows: string[] = [];
    try {
      await until(async () => isSo((rows = await this.rows())), { deadlineMs: 15_000 });
    } catch (cause) {
      throw new Error(`never shown: ${isSo.toString()}\n${rows.join("\n")}`, { cause });
    }
    return rows;
  }

  [Symbol.dispose](): void {
    this.#terminal.dispose();
  }
}
