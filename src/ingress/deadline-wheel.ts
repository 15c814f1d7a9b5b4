import { type CancelTimer, type Clock, everyInBackground, systemClock } from "../clock/clock.ts";

/** What `add` watches over. */
export interface Expiring {
  expire(): void;
}

/** An entry of the wheel; its owner keeps it to take it back with `remove`. A new one is a ring of itself. */
export class WheelEntry {
  readonly atMs: number;
  /** `undefined` once expired or removed. */
  owner: Expiring | undefined;
  previous: WheelEntry = this;
  next: WheelEntry = this;

  constructor(atMs: number, owner: Expiring | undefined) {
    this.atMs = atMs;
    this.owner = owner;
  }
}

const SLOTS = 512;

/**
 * Deadlines of many requests on one timer. A `setTimeout` per request that nearly always ends early costs more than the
 * request's routing; here adding and removing are a few pointer writes (hashed timing wheel: Varghese and Lauck,
 * 1987, scheme 6).
 *
 * - **W1** Nothing expires before its time.
 * - **W2** What is not removed expires at most one granule late, plus what the event loop is late.
 * - **W3** No timer runs while the wheel is empty for a granule.
 */
export class DeadlineWheel {
  readonly #granuleMs: number;
  readonly #clock: Clock;
  readonly #slots: WheelEntry[];
  #size = 0;
  #sweptTick: number;
  #cancelTimer: CancelTimer | undefined;
  readonly #onTick: (lateMs: number) => void;
  #tickedAtMs = 0;

  /** @param onTick told, each time the timer fires, how late it is: by so much the event loop is behind. */
  constructor(granuleMs = 4, clock: Clock = systemClock, onTick: (lateMs: number) => void = () => {}) {
    this.#granuleMs = granuleMs;
    this.#clock = clock;
    this.#onTick = onTick;
    this.#slots = Array.from({ length: SLOTS }, () => new WheelEntry(Number.POSITIVE_INFINITY, undefined));
    this.#sweptTick = Math.floor(clock.now() / granuleMs);
  }

  get size(): number {
    return this.#size;
  }

  /** @param atMs absolute, on the scale of the wheel's clock. One already past expires at the next sweep. */
  add(atMs: number, owner: Expiring): WheelEntry {
    if (this.#cancelTimer === undefined) this.#startTimer();
    const tick = Math.max(Math.floor(atMs / this.#granuleMs), this.#sweptTick);
    const head = this.#slots[tick % SLOTS]!;
    const entry = new WheelEntry(atMs, owner);
    entry.previous = head.previous;
    entry.next = head;
    head.previous.next = entry;
    head.previous = entry;
    this.#size++;
    return entry;
  }

  /** Does nothing if the entry has expired or was removed. */
  remove(entry: WheelEntry): void {
    if (entry.owner === undefined) return;
    entry.owner = undefined;
    entry.previous.next = entry.next;
    entry.next.previous = entry.previous;
    // An entry that is done must not lead to those that came after it: a dead one in the collector's old generation
    // would keep all of them.
    entry.previous = entry;
    entry.next = entry;
    this.#size--;
  }

  /** Expires everything due. Called by the wheel's own timer; tests call it by hand. */
  sweep(): void {
    const now = this.#clock.now();
    const tick = Math.floor(now / this.#granuleMs);
    // The slot of the last sweep is read again: part of its granule was still to come then.
    const slots = Math.min(tick - this.#sweptTick + 1, SLOTS);
    const due: WheelEntry[] = [];
    for (let i = 0; i < slots; i++) {
      const head = this.#slots[(tick - i) % SLOTS]!;
      for (let entry = head.next; entry !== head; entry = entry.next) if (entry.atMs <= now) due.push(entry);
    }
    this.#sweptTick = tick;
    for (const entry of due) {
      const owner = entry.owner;
      this.remove(entry);
      owner?.expire();
    }
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #startTimer(): void {
    // Slots passed while the wheel stood still are empty.
    this.#tickedAtMs = this.#clock.now();
    this.#sweptTick = Math.floor(this.#tickedAtMs / this.#granuleMs);
    this.#cancelTimer = everyInBackground(this.#clock, this.#granuleMs, () => {
      const dueAtMs = this.#tickedAtMs + this.#granuleMs;
      this.#tickedAtMs = this.#clock.now();
      this.#onTick(Math.max(0, this.#tickedAtMs - dueAtMs));
      if (this.#size === 0) this.close();
      else this.sweep();
    });
  }
}
