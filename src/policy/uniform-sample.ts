interface Window<T> {
  readonly endsAtMs: number;
  readonly items: T[];
  offered: number;
}

/** A sample, and of how many it is one: every item stands for `offered / items.length`. */
export interface Stratum<T> {
  readonly items: readonly T[];
  readonly offered: number;
}

/**
 * A uniform sample of what came in each of the last two windows of time: within one, all had the same chance, however
 * many there were.
 *
 * Reservoir sampling by skips (Li 1994, "algorithm L"): how many are passed over until the next is taken is drawn once,
 * so that one that is not taken costs a decrement. Pure: time and randomness are arguments.
 */
export class UniformSample<T> {
  readonly #capacity: number;
  readonly #windowMs: number;
  #current: Window<T> = { endsAtMs: Number.NEGATIVE_INFINITY, items: [], offered: 0 };
  #previous: Window<T> | undefined;
  #skip = 0;
  #weight = 1;

  constructor(capacity: number, windowMs: number) {
    this.#capacity = capacity;
    this.#windowMs = windowMs;
  }

  /** Counts one that came; when true it is to be given to `take`. */
  offer(nowMs: number, random: () => number): boolean {
    if (nowMs >= this.#current.endsAtMs) this.#begin(nowMs);
    this.#current.offered += 1;
    if (this.#current.items.length < this.#capacity) return true;
    if (this.#skip > 0) {
      this.#skip -= 1;
      return false;
    }
    this.#draw(random);
    return true;
  }

  take(item: T, random: () => number): void {
    const { items } = this.#current;
    if (items.length < this.#capacity) {
      items.push(item);
      if (items.length === this.#capacity) this.#draw(random);
    } else items[Math.floor(random() * this.#capacity)] = item;
  }

  /** What is still in sight now. */
  read(nowMs: number): Stratum<T>[] {
    return [this.#previous, this.#current].flatMap((window) =>
      window === undefined || window.items.length === 0 || window.endsAtMs <= nowMs - this.#windowMs
        ? []
        : [{ items: window.items, offered: window.offered }],
    );
  }

  #begin(nowMs: number): void {
    this.#previous = this.#current;
    this.#current = { endsAtMs: nowMs + this.#windowMs, items: [], offered: 0 };
    this.#skip = 0;
    this.#weight = 1;
  }

  #draw(random: () => number): void {
    // 1 - random() is above 0, where a logarithm is.
    this.#weight *= (1 - random()) ** (1 / this.#capacity);
    this.#skip = Math.floor(Math.log(1 - random()) / Math.log(1 - this.#weight));
  }
}
