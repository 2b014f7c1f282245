/** What waits its turn: first come, first served, and never more than fit. */
export class Queue<T> {
  readonly #capacity: number;
  #items: T[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** In the order of their turns. */
  get items(): readonly T[] {
    return this.#items;
  }

  get length(): number {
    return this.#items.length;
  }

  get isFull(): boolean {
    return this.#items.length >= this.#capacity;
  }

  /** Whoever adds has seen that there is room. */
  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    return this.#items.shift();
  }

  /** Takes one out of its place; false when it does not wait here. */
  remove(item: T): boolean {
    const at = this.#items.indexOf(item);
    if (at >= 0) this.#items.splice(at, 1);
    return at >= 0;
  }

  /** Takes all out, in order. */
  clear(): T[] {
    return this.#items.splice(0);
  }
}
