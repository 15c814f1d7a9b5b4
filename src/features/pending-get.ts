import type { CancelTimer, Clock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { cancelled } from "./check-features.ts";
import type { FeatureRow, FeatureRows, GetOptions } from "./feature-store.ts";

/** One caller's get while its rows are looked up by batches that it may share with others (F7). */
export class PendingGet {
  readonly deadlineMs: number;
  readonly promise: Promise<FeatureRows>;
  readonly #lookUps: LookUp[] = [];
  readonly #rows: (FeatureRow | undefined)[];
  readonly #resolve: (rows: FeatureRows) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #cancelTimer: CancelTimer;
  /** Told of each look-up that this get leaves unanswered. */
  readonly #onLeave: (lookUp: LookUp) => void;
  #missing: number;
  #ended = false;

  constructor(keyCount: number, options: GetOptions, clock: Clock, onLeave: (lookUp: LookUp) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<FeatureRows>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onLeave = onLeave;
    this.deadlineMs = options.deadlineMs;
    this.#rows = new Array(keyCount);
    this.#missing = keyCount;
    this.#signal = options.signal;
    this.#signal?.addEventListener("abort", this.#onAbort);
    const remainingMs = options.deadlineMs - clock.now();
    this.#cancelTimer = clock.after(remainingMs, () => this.expire());
  }

  waitFor(lookUp: LookUp, index: number): void {
    this.#lookUps.push(lookUp);
    lookUp.waiters.push({ get: this, index });
  }

  settle(index: number, row: FeatureRow | undefined): void {
    if (this.#ended) return;
    this.#rows[index] = row;
    this.#missing -= 1;
    if (this.#missing > 0) return;
    this.#end();
    this.#resolve(this.#rows);
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#end();
    this.#reject(error);
    for (const lookUp of this.#lookUps) {
      lookUp.waiters = lookUp.waiters.filter((waiter) => waiter.get !== this);
      this.#onLeave(lookUp);
    }
  }

  expire(): void {
    const message = `features: no answer for ${this.#missing} of ${this.#rows.length} keys by the deadline`;
    this.fail(new TuttiError("DeadlineExceeded", message));
  }

  readonly #onAbort = () => this.fail(cancelled("yes"));

  #end(): void {
    this.#ended = true;
    this.#cancelTimer();
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** One key on its way, and the gets that wait for it. */
export interface LookUp {
  readonly key: string;
  waiters: { readonly get: PendingGet; readonly index: number }[];
}
