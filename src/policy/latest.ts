/** The last so many of what came, in memory that does not grow. */
export class Latest<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  /** Where the oldest is, once all places are taken. */
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(item: T): void {
    if (this.#items.length < this.#capacity) {
      this.#items.push(item);
      return;
    }
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** Newest first. */
  items(): T[] {
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)].reverse();
  }
}
