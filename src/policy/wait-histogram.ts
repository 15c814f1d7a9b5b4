/**
 * How long requests waited, as counts in classes whose bounds grow by a fifth: a quantile costs no sorting, and the
 * memory is the same for ten requests and for a million.
 */
export interface WaitHistogram {
  readonly counts: Uint32Array;
  total: number;
}

/** Waits below this share one class. */
const SHORTEST_MS = 0.25;
const GROWTH = 1.2;
const CLASSES = 80;
const LOG_GROWTH = Math.log(GROWTH);

export function emptyWaits(): WaitHistogram {
  return { counts: new Uint32Array(CLASSES), total: 0 };
}

export function addWait(waits: WaitHistogram, waitMs: number): void {
  const at = waitMs > SHORTEST_MS ? Math.floor(Math.log(waitMs / SHORTEST_MS) / LOG_GROWTH) + 1 : 0;
  const index = Math.min(CLASSES - 1, at);
  waits.counts[index] = waits.counts[index]! + 1;
  waits.total += 1;
}

/** @returns the wait that this share of the requests did not exceed, to within a class; 0 when there are none. */
export function waitQuantileMs({ counts, total }: WaitHistogram, share: number): number {
  if (total === 0) return 0;
  const wanted = total * share;
  let below = 0;
  for (let index = 0; index < CLASSES; index++) {
    const count = counts[index]!;
    if (below + count >= wanted) {
      const lowest = index === 0 ? 0 : SHORTEST_MS * GROWTH ** (index - 1);
      const highest = SHORTEST_MS * GROWTH ** index;
      return lowest + ((highest - lowest) * (wanted - below)) / count;
    }
    below += count;
  }
  return SHORTEST_MS * GROWTH ** (CLASSES - 1);
}

export function clearWaits(waits: WaitHistogram): void {
  waits.counts.fill(0);
  waits.total = 0;
}
