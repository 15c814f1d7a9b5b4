/** Something to be done at a moment of virtual time. */
export interface QueuedEvent {
  readonly atMs: number;
  /** Those of one moment are done in the order in which they were set. */
  readonly order: number;
  /** `undefined` once it was taken back. */
  run: (() => void) | undefined;
}

/** Events by time, then by order: a binary heap. One that is taken back stays until it comes up, doing nothing. */
export class EventQueue {
  readonly #heap: QueuedEvent[] = [];
  #nextOrder = 0;

  add(atMs: number, run: () => void): QueuedEvent {
    const event: QueuedEvent = { atMs, order: this.#nextOrder++, run };
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
    return event;
  }

  /** The first that was not taken back. */
  get first(): QueuedEvent | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].run === undefined) this.#removeFirst();
    return this.#heap[0];
  }

  takeFirst(): QueuedEvent | undefined {
    const { first } = this;
    if (first !== undefined) this.#removeFirst();
    return first;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

const isBefore = (a: QueuedEvent, b: QueuedEvent): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
