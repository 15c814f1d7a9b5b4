import { type CancelTimer, type Clock, systemClock } from "../clock/clock.ts";

/** Node's timers hold 24.8 days at most; the sweep after that arms the next. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * One timer for many deadlines. It is armed for a lower bound of the earliest; when it fires, the owner looks
 * through what is outstanding, ends what has expired and says which deadline is now the earliest. Work that ends in
 * time costs a comparison, no timer and no removal.
 */
export class DeadlineWatch {
  readonly #sweep: (nowMs: number) => number;
  readonly #clock: Clock;
  #cancelTimer: CancelTimer | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;

  /** @param sweep ends everything whose deadline is at or before `nowMs`; returns the earliest one left. */
  constructor(sweep: (nowMs: number) => number, clock: Clock = systemClock) {
    this.#sweep = sweep;
    this.#clock = clock;
  }

  add(deadlineAtMs: number): void {
    if (deadlineAtMs < this.#armedForMs) this.#arm(deadlineAtMs);
  }

  close(): void {
    this.#cancelTimer?.();
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }

  #arm(deadlineAtMs: number): void {
    this.#cancelTimer?.();
    this.#armedForMs = deadlineAtMs;
    if (deadlineAtMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(MAX_TIMER_MS, Math.max(0, deadlineAtMs - this.#clock.now()));
    // Outstanding work keeps its process alive by its own connection, not by its deadline.
    this.#cancelTimer = this.#clock.afterInBackground(delayMs, () => {
      this.#armedForMs = Number.POSITIVE_INFINITY;
      const earliestMs = this.#sweep(this.#clock.now());
      // Deadlines added from within the sweep have armed the watch already: the earlier one counts.
      this.#arm(Math.min(earliestMs, this.#armedForMs));
    });
  }
}
