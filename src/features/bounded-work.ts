import type { Clock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { cancelled, refuseEnded } from "./check-features.ts";
import type { GetOptions } from "./feature-store.ts";

/**
 * Runs asynchronous work that ends by its deadline, on its signal and when its owner closes, whether or not the work
 * obeys the signal it is given (F2, F8).
 */
export class BoundedWork {
  readonly #clock: Clock;
  readonly #outstanding = new Set<(error: TuttiError) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param late the message of `DeadlineExceeded`, asked for when it is needed.
   * @param work gets a signal that is aborted when its result is no longer wanted.
   */
  run<T>(bounds: GetOptions, late: () => string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const { deadlineMs, signal } = bounds;
    const controller = new AbortController();
    const end = (error: unknown) => {
      release();
      reject(error);
      controller.abort();
    };
    const onAbort = () => end(cancelled("yes"));
    const release = () => {
      this.#outstanding.delete(end);
      cancelTimer();
      signal?.removeEventListener("abort", onAbort);
    };
    let cancelTimer = () => {};
    try {
      refuseEnded(bounds, this.#clock.now());
    } catch (error) {
      reject(error);
      return promise;
    }
    this.#outstanding.add(end);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (deadlineMs !== Number.POSITIVE_INFINITY) {
      cancelTimer = this.#clock.after(deadlineMs - this.#clock.now(), () =>
        end(new TuttiError("DeadlineExceeded", late())),
      );
    }
    work(controller.signal).then((value) => {
      release();
      resolve(value);
    }, end);
    return promise;
  }

  /** A pause that is cut short by the signal. */
  wait(delayMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      cancelTimer();
      reject(cancelled("yes"));
    };
    const cancelTimer = this.#clock.after(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  /** Ends all work that is outstanding. */
  endAll(error: TuttiError): void {
    for (const end of [...this.#outstanding]) end(error);
  }
}
