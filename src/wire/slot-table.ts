/** Slots of one table: an id is a slot and how many times it was used, in 32 bits. */
const SLOT_BITS = 16;
export const MAX_SLOTS = 2 ** SLOT_BITS;
const SLOT_MASK = MAX_SLOTS - 1;

/**
 * Values by a number that is given out on adding, for what comes and goes with every call.
 *
 * A `Map` would do, but for how V8 makes it: a map that is filled and emptied all the time is copied to a new table
 * again and again, and each old table keeps a reference to the next. Once one is in the old generation, everything that
 * was ever under way since then survives until the next full collection. Under load that showed as collections of the
 * young generation that copied far more than was under way. Here a slot is emptied and used again.
 */
export class SlotTable<T> {
  readonly #values: (T | undefined)[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= MAX_SLOTS;
  }

  /** @returns the id; an id comes back only after its slot was used 65,535 times more. The table must not be full. */
  add(value: T): number {
    let slot = this.#free.pop();
    if (slot === undefined) {
      slot = this.#values.length;
      this.#uses.push(0);
    }
    const uses = (this.#uses[slot]! % SLOT_MASK) + 1;
    this.#uses[slot] = uses;
    this.#values[slot] = value;
    this.#size += 1;
    return uses * MAX_SLOTS + slot;
  }

  get(id: number): T | undefined {
    const slot = id & SLOT_MASK;
    return this.#uses[slot] === id >>> SLOT_BITS ? this.#values[slot] : undefined;
  }

  delete(id: number): void {
    if (this.get(id) === undefined) return;
    const slot = id & SLOT_MASK;
    this.#values[slot] = undefined;
    this.#free.push(slot);
    this.#size -= 1;
  }

  /** Calls for each value that is there now; what is added or deleted meanwhile may or may not be seen. */
  forEach(visit: (id: number, value: T) => void): void {
    for (let slot = 0; slot < this.#values.length; slot++) {
      const value = this.#values[slot];
      if (value !== undefined) visit(this.#uses[slot]! * MAX_SLOTS + slot, value);
    }
  }
}
