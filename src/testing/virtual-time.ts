import { deriveSeed, type Random, seededRandom } from "../policy/seeded-random.ts";
import { type ProcessTime, VirtualProcess } from "./virtual-process.ts";

/** What somebody waits for: time goes on as long as there is such a one. */
interface Goal {
  /** A moment, with all that happens in it; `Infinity` when only `isReached` says. */
  readonly atMs: number;
  isReached(): boolean;
  reached(): void;
  failed(reason: Error): void;
}

/** A goal that is not reached in this much time never is: something waits for what no virtual process does. */
const PATIENCE_MS = 3_600_000;

/**
 * The time of a simulated world, and its scheduler: it jumps from one event to the next, and has all promise reactions
 * of one run before the next. It moves only while somebody waits for something.
 */
export class VirtualTime implements ProcessTime {
  readonly #seed: number;
  readonly #random: Random;
  readonly #processes = new Set<VirtualProcess>();
  readonly #goals = new Set<Goal>();
  /** What goes on in the real world, while no virtual time passes. */
  readonly #outside = new Set<Promise<unknown>>();
  #nowMs = 0;
  #isDriving = false;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(deriveSeed(seed, "time"));
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  process(name: string): VirtualProcess {
    const random = seededRandom(deriveSeed(this.#seed, `turns of ${name}`));
    const process = new VirtualProcess(name, this, random);
    this.#processes.add(process);
    return process;
  }

  /** Lets time pass to that moment, and all be done that is due by then. */
  until(atMs: number): Promise<void> {
    return this.#drive(atMs, () => false);
  }

  /** Lets time pass until something is so; it is looked at after each event. */
  untilTrue(isSo: () => boolean): Promise<void> {
    return this.#drive(Number.POSITIVE_INFINITY, isSo);
  }

  /** Lets time pass until a promise has settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    await this.untilTrue(() => isSettled);
    return promise;
  }

  /** Keeps virtual time still until something in the real world has ended. */
  hold<T>(promise: Promise<T>): Promise<T> {
    const forget = (): void => void this.#outside.delete(done);
    const done: Promise<void> = promise.then(forget, forget);
    this.#outside.add(done);
    return promise;
  }

  /** Ends every process. */
  end(): void {
    for (const process of this.#processes) process.end();
    this.#processes.clear();
    for (const goal of this.#goals)
      goal.failed(new Error("the world was closed while somebody waited for it"));
    this.#goals.clear();
  }

  #drive(atMs: number, isReached: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#goals.add({ atMs, isReached, reached: resolve, failed: reject });
      if (!this.#isDriving) void this.#loop();
    });
  }

  async #loop(): Promise<void> {
    this.#isDriving = true;
    const giveUpAtMs = () => this.#nowMs + PATIENCE_MS;
    let limitMs = giveUpAtMs();
    try {
      for (;;) {
        await turnOfTheRealLoop();
        while (this.#outside.size > 0) await Promise.all(this.#outside);
        if (this.#tellReached()) {
          // Whoever waited may do something at this very moment, before anything else happens in it.
          await turnOfTheRealLoop();
          limitMs = giveUpAtMs();
        }
        if (this.#goals.size === 0) return;
        this.#step(limitMs);
      }
    } catch (thrown) {
      // As an exception that nobody catches ends a process: whoever waits is told.
      const reason = thrown instanceof Error ? thrown : new Error(String(thrown));
      for (const goal of this.#goals) goal.failed(reason);
      this.#goals.clear();
    } finally {
      this.#isDriving = false;
    }
  }

  #tellReached(): boolean {
    let isAny = false;
    for (const goal of this.#goals) {
      if (!goal.isReached()) continue;
      this.#reach(goal);
      isAny = true;
    }
    return isAny;
  }

  #reach(goal: Goal): void {
    this.#goals.delete(goal);
    goal.reached();
  }

  #step(limitMs: number): void {
    let untilMs = limitMs;
    for (const { atMs } of this.#goals) untilMs = Math.min(untilMs, atMs);
    const next = this.#next();
    const dueAtMs = next?.dueAtMs ?? Number.POSITIVE_INFINITY;
    if (next !== undefined && dueAtMs <= untilMs) {
      this.#nowMs = Math.max(this.#nowMs, dueAtMs);
      next.step();
    } else if (untilMs < limitMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      for (const goal of this.#goals) if (goal.atMs <= untilMs) this.#reach(goal);
    } else {
      throw new Error(
        "nothing that is waited for has come about in an hour of virtual time: does something wait for what is " +
          "outside of the world?",
      );
    }
  }

  /** V1: the earliest; of several, one that the seed chooses. */
  #next(): VirtualProcess | undefined {
    let best: VirtualProcess | undefined;
    let bestAtMs = Number.POSITIVE_INFINITY;
    let ties = 1;
    for (const process of this.#processes) {
      if (process.hasEnded) {
        this.#processes.delete(process);
        continue;
      }
      // What fell due in the past, while it was not free to be done, is due now.
      const dueAtMs = Math.max(process.dueAtMs, this.#nowMs);
      if (dueAtMs > bestAtMs || dueAtMs === Number.POSITIVE_INFINITY) continue;
      ties = dueAtMs === bestAtMs ? ties + 1 : 1;
      if (ties > 1 && this.#random() >= 1 / ties) continue;
      best = process;
      bestAtMs = dueAtMs;
    }
    return best;
  }
}

/** The real one, taken before anything can replace it. */
const { setImmediate: setRealImmediate } = globalThis;

/** A turn of the real event loop: every promise reaction that was ready, and those they led to, has run. */
const turnOfTheRealLoop = () => new Promise<void>((resolve) => setRealImmediate(resolve));
