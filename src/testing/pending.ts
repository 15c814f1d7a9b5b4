import type { VirtualTime } from "./virtual-time.ts";

/** What will be known later in virtual time. Waiting for it is what lets that time pass. */
export class Pending<T> implements PromiseLike<T> {
  readonly #time: VirtualTime;
  readonly #promise: Promise<T>;

  constructor(time: VirtualTime, promise: Promise<T>) {
    this.#time = time;
    this.#promise = promise;
    // Whoever waits hears of a failure; nobody may be waiting yet.
    promise.catch(() => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaited is what this is for.
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#time.settle(this.#promise).then(onValue, onError);
  }
}
