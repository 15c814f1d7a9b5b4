import { monitorEventLoopDelay } from "node:perf_hooks";

export interface LoadOptions<A> {
  readonly ratePerSecond: number;
  /** Requests that may be out at once; when more would be, the load is too much for the test and it fails. */
  readonly maxOutstanding?: number;
  send(index: number): Promise<A>;
}

/** One request and what became of it. */
export type LoadResult<A> =
  | { readonly index: number; readonly atMs: number; readonly answer: A }
  | { readonly index: number; readonly atMs: number; readonly error: Error };

/**
 * Requests at their own times, whatever becomes of those before them: a stalled server finds a queue, as it would with
 * real clients. Every result is kept.
 */
export class OpenLoopLoad<A> {
  readonly #options: Required<LoadOptions<A>>;
  readonly #results: LoadResult<A>[] = [];
  readonly #pending = new Set<Promise<void>>();
  readonly #startedAtMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #lag = monitorEventLoopDelay({ resolution: 5 });
  #sent = 0;
  #stopped = false;

  constructor(options: LoadOptions<A>) {
    this.#options = { maxOutstanding: 2000, ...options };
    this.#lag.enable();
    this.#timer = setInterval(() => this.#sendDue(), 4);
  }

  get sent(): number {
    return this.#sent;
  }

  /** The longest that this process itself was kept from running: much, and the machine had no time for the load. */
  get worstLagMs(): number {
    return this.#lag.max / 1e6;
  }

  get answered(): number {
    return this.#results.length;
  }

  /** Sends nothing more, and resolves with every result once all are there. */
  async stop(): Promise<LoadResult<A>[]> {
    this.#stopped = true;
    clearInterval(this.#timer);
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    this.#lag.disable();
    return this.#results;
  }

  #sendDue(): void {
    const due = Math.floor(((performance.now() - this.#startedAtMs) * this.#options.ratePerSecond) / 1000);
    while (this.#sent < due && !this.#stopped) this.#sendOne(this.#sent++);
  }

  #sendOne(index: number): void {
    const atMs = performance.now();
    if (this.#pending.size >= this.#options.maxOutstanding) {
      this.#results.push({
        index,
        atMs,
        error: new Error(`${this.#pending.size} requests are out: too much load`),
      });
      return;
    }
    const pending = this.#options
      .send(index)
      .then(
        (answer) => void this.#results.push({ index, atMs, answer }),
        (error: Error) => void this.#results.push({ index, atMs, error }),
      )
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }
}
