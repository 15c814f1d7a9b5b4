/** Node's timers hold at most this many milliseconds; longer ones fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * One timer for many deadlines. It is armed for a lower bound of the earliest; when it fires, the owner looks
 * through what is outstanding, ends what has expired and says which deadline is now the earliest. Work that ends in
 * time costs a comparison, no timer and no removal.
 */
export class DeadlineWatch {
  readonly #sweep: (nowMs: number) => number;
  #timer: NodeJS.Timeout | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;

  /** @param sweep ends everything whose deadline is at or before `nowMs`; returns the earliest one left. */
  constructor(sweep: (nowMs: number) => number) {
    this.#sweep = sweep;
  }

  add(deadlineAtMs: number): void {
    if (deadlineAtMs < this.#armedForMs) this.#arm(deadlineAtMs);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }

  #arm(deadlineAtMs: number): void {
    clearTimeout(this.#timer);
    this.#armedForMs = deadlineAtMs;
    if (deadlineAtMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(deadlineAtMs - performance.now())));
    this.#timer = setTimeout(() => {
      this.#armedForMs = Number.POSITIVE_INFINITY;
      const earliestMs = this.#sweep(performance.now());
      // Deadlines added from within the sweep have armed the watch already: the earlier one counts.
      this.#arm(Math.min(earliestMs, this.#armedForMs));
    }, delayMs);
    // Outstanding work keeps its process alive by its own connection, not by its deadline.
    this.#timer.unref();
  }
}
