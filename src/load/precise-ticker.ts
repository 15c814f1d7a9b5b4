import path from "node:path";
import { Worker } from "node:worker_threads";

/** Beside this module, in the source and in the build. */
const THREAD = new URL(`./ticker-thread${path.extname(import.meta.url)}`, import.meta.url);

const GRAIN_MS = 0.5;

/**
 * Calls back when the next of a list of times is due. Node's timers have a grain of one millisecond, which would be
 * added to every latency of an open loop; a thread that sleeps on a futex wakes within tens of microseconds and costs
 * next to nothing. Wake-ups that the main thread has not yet seen are not repeated.
 */
export class PreciseTicker {
  readonly #control: Int32Array;
  readonly #worker: Worker;

  /**
   * @param times milliseconds after `base`, ascending.
   * @param grainMs at most so much later than due: those due within it share a wake-up. Default 0.5: half the CPU of 0.
   */
  constructor(times: Float64Array, base: bigint, due: () => void, grainMs = GRAIN_MS) {
    const shared = new Float64Array(new SharedArrayBuffer(times.byteLength));
    shared.set(times);
    this.#control = new Int32Array(new SharedArrayBuffer(8));
    this.#worker = new Worker(THREAD, {
      workerData: { times: shared, base, grainMs, control: this.#control },
    });
    this.#worker.on("message", () => {
      Atomics.store(this.#control, SEEN, 0);
      due();
    });
  }

  async close(): Promise<void> {
    Atomics.store(this.#control, STOP, 1);
    Atomics.notify(this.#control, STOP);
    await this.#worker.terminate();
  }
}

/** Cells of the control array. */
export const STOP = 0;
export const SEEN = 1;
