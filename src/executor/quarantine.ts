import type { CancelTimer, Clock } from "../clock/clock.ts";

/** A suspect is alone for so long; one that merely waits must not hold the others up for more. */
const ALONE_MS = 100;

/** A call under suspicion that waits for its turn. */
export interface Suspect {
  /** @param company suspects that run beside it. */
  begin(company: number): void;
}

/**
 * Begins calls under suspicion one at a time (D10): methods that wait run many at once, and if the process dies, it
 * must be known which of the suspects may have been the reason. What ends its process mostly does so at once, and what
 * blocks its thread keeps the timer here from firing: both are alone. One that waits is joined by the next.
 */
export class Quarantine {
  readonly #clock: Clock;
  readonly #waiting: Suspect[] = [];
  readonly #running = new Set<Suspect>();
  #cancelTimer: CancelTimer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(suspect: Suspect): void {
    this.#waiting.push(suspect);
    if (this.#running.size === 0) this.#beginNext();
  }

  /** It has ended, begun or not. */
  remove(suspect: Suspect): void {
    const at = this.#waiting.indexOf(suspect);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#running.delete(suspect) && this.#running.size === 0) this.#beginNext();
  }

  #beginNext(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const suspect = this.#waiting.shift();
    if (suspect === undefined) return;
    const company = this.#running.size;
    this.#running.add(suspect);
    // Before it begins: it may not let anything else run.
    this.#cancelTimer = this.#clock.afterInBackground(ALONE_MS, () => this.#beginNext());
    suspect.begin(company);
  }
}
