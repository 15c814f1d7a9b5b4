import type { CancelTimer, Clock } from "./clock.ts";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. Timers fire in the order of their times, then of their setting. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  readonly #timers = new Set<Timer>();
  readonly #turn = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    return add(this.#timers, { atMs: this.#nowMs + Math.max(0, delayMs), callback });
  }

  afterInBackground(delayMs: number, callback: () => void): CancelTimer {
    return this.after(delayMs, callback);
  }

  onNextTurn(callback: () => void): CancelTimer {
    return add(this.#turn, { atMs: this.#nowMs, callback });
  }

  /** Timers and turns that wait; 0 when nothing was leaked (F8). */
  get pending(): number {
    return this.#timers.size + this.#turn.size;
  }

  /** Ends the present turn of the event loop: all promise reactions run, then what waited for the next turn. */
  async turn(): Promise<void> {
    await settled();
    for (const waiting of [...this.#turn]) {
      if (this.#turn.delete(waiting)) waiting.callback();
    }
    await settled();
  }

  /** Moves time on, stopping at each timer on the way. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await this.turn();
    for (let next = this.#earliest(untilMs); next !== undefined; next = this.#earliest(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#timers.delete(next);
      next.callback();
      await this.turn();
    }
    this.#nowMs = untilMs;
  }

  /** Moves time on without firing anything, as a blocked event loop does. */
  block(byMs: number): void {
    this.#nowMs += byMs;
  }

  #earliest(untilMs: number): Timer | undefined {
    let earliest: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= untilMs && (earliest === undefined || timer.atMs < earliest.atMs)) earliest = timer;
    }
    return earliest;
  }
}

function add(timers: Set<Timer>, timer: Timer): CancelTimer {
  timers.add(timer);
  return () => timers.delete(timer);
}

/** A real turn of the event loop: every promise reaction that was ready, and those they led to, has run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
