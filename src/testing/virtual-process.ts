import { AsyncLocalStorage } from "node:async_hooks";
import type { CancelTimer, Clock } from "../clock/clock.ts";
import type { Random } from "../policy/seeded-random.ts";
import { EventQueue, type QueuedEvent } from "./event-queue.ts";

/** What a process may own beside its callbacks: connections, which its end breaks. */
export interface Breakable {
  destroy(reason: Error): void;
}

/** The time that a process lives in. */
export interface ProcessTime {
  readonly nowMs: number;
  /** Keeps virtual time still until something in the real world has ended. */
  hold<T>(promise: Promise<T>): Promise<T>;
}

/** A turn of an event loop takes between these: a busy one turns no faster, and two never keep step for long. */
const SHORTEST_TURN_MS = 0.005;
const LONGEST_TURN_MS = 0.02;

/** The process whose callback is running, carried along its promises. */
const running = new AsyncLocalStorage<VirtualProcess>();

export const currentProcess = (): VirtualProcess | undefined => running.getStore();

/**
 * Does something in the real world on behalf of an application that may be simulated: virtual time stands still until
 * it has ended. Where nothing is simulated it is just done.
 */
export function holdTime<T>(begin: () => Promise<T>): Promise<T> {
  return currentProcess()?.hold(begin) ?? begin();
}

/**
 * A process of the virtual world: an event loop that does one thing at a time, as the clock of all that lives in it.
 *
 * - **V1** Its callbacks run in the order of their times, then of their setting; of one moment, those of different
 *   processes in an order that the seed decides.
 * - **V2** While it is blocked or paused nothing of it runs; what fell due meanwhile runs when that is over.
 * - **V3** After its end nothing of it ever runs, and its connections are broken.
 */
export class VirtualProcess implements Clock {
  readonly name: string;
  readonly #time: ProcessTime;
  readonly #random: Random;
  readonly #events = new EventQueue();
  readonly #owned = new Set<Breakable>();
  /** Called in this order, before all else, when it is free again. */
  #whenFree: (() => void)[] = [];
  #freeAtMs = 0;
  #blockedMs = 0;
  /** When the turn begins for which `onNextTurn` waits. */
  #turnAtMs = -1;
  #isPaused = false;
  #hasEnded = false;

  constructor(name: string, time: ProcessTime, random: Random) {
    this.name = name;
    this.#time = time;
    this.#random = random;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** How long its thread was held by now, in all. */
  get blockedMs(): number {
    return this.#blockedMs - Math.max(0, this.#freeAtMs - this.now());
  }

  now(): number {
    return this.#time.nowMs;
  }

  /** As Node does: whole milliseconds, one at least. */
  after(delayMs: number, callback: () => void): CancelTimer {
    return this.at(this.now() + Math.max(1, Math.ceil(delayMs)), callback);
  }

  afterInBackground(delayMs: number, callback: () => void): CancelTimer {
    return this.after(delayMs, callback);
  }

  onNextTurn(callback: () => void): CancelTimer {
    const nowMs = this.now();
    if (this.#turnAtMs <= nowMs) {
      const turnMs = SHORTEST_TURN_MS + this.#random() * (LONGEST_TURN_MS - SHORTEST_TURN_MS);
      this.#turnAtMs = Math.max(nowMs, this.#freeAtMs) + turnMs;
    }
    return this.at(this.#turnAtMs, callback);
  }

  /** At an exact moment, or as soon after it as the process is free. */
  at(atMs: number, callback: () => void): CancelTimer {
    if (this.#hasEnded || atMs === Number.POSITIVE_INFINITY) return () => {};
    const event: QueuedEvent = this.#events.add(atMs, callback);
    return () => {
      event.run = undefined;
    };
  }

  /** Its thread is held for so long, as by a run of a model; `then` is what comes after that on the same thread. */
  block(forMs: number, then: () => void = () => {}): void {
    if (this.#hasEnded) return;
    this.#freeAtMs = Math.max(this.#freeAtMs, this.now()) + forMs;
    this.#blockedMs += forMs;
    this.#whenFree.push(then);
  }

  /** As by SIGSTOP. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  /** Its end breaks this connection. */
  own(connection: Breakable): void {
    if (this.#hasEnded) connection.destroy(new Error(`${this.name} has ended`));
    else this.#owned.add(connection);
  }

  /** V3. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#events.clear();
    this.#whenFree = [];
    for (const connection of this.#owned) connection.destroy(new Error(`${this.name} has ended`));
    this.#owned.clear();
  }

  /** When it has something to do next; `Infinity` for never. */
  get dueAtMs(): number {
    if (this.#hasEnded || this.#isPaused) return Number.POSITIVE_INFINITY;
    if (this.#whenFree.length > 0) return this.#freeAtMs;
    return Math.max(this.#freeAtMs, this.#events.first?.atMs ?? Number.POSITIVE_INFINITY);
  }

  /** Does the next thing; it must be due. */
  step(): void {
    const next = this.#whenFree.shift() ?? this.#events.takeFirst()?.run;
    if (next !== undefined) this.run(next);
  }

  /** Does something in the real world, on real time; virtual time stands still meanwhile. */
  hold<T>(begin: () => Promise<T>): Promise<T> {
    return this.#time.hold(running.exit(begin));
  }

  /** Runs something as this process. */
  run<R>(callback: () => R): R {
    return running.run(this, callback);
  }
}
