interface Window<T> {
  readonly endsAtMs: number;
  /** In no order. */
  readonly kept: { readonly latencyMs: number; readonly item: T }[];
}

/**
 * The slowest of each of the last windows of time, so many of each: what was slow a minute ago is not driven out by what
 * is slow now, and a bad hour long ago does not hide it for ever.
 *
 * Pure: time is an argument, on any clock that does not go back. Memory is bounded by `perWindow * windows` items.
 */
export class Slowest<T> {
  readonly #perWindow: number;
  readonly #windowMs: number;
  /** Newest last. */
  readonly #windows: Window<T>[] = [];
  readonly #maxWindows: number;
  #endsAtMs = Number.NEGATIVE_INFINITY;
  /** What the newest window takes must be above it. */
  #thresholdMs = Number.NEGATIVE_INFINITY;

  constructor(perWindow: number, windowMs: number, windows: number) {
    this.#perWindow = perWindow;
    this.#windowMs = windowMs;
    this.#maxWindows = windows;
  }

  /** Whether `add` would keep it: two comparisons, asked for every request. */
  wants(latencyMs: number, nowMs: number): boolean {
    return latencyMs > this.#thresholdMs || nowMs >= this.#endsAtMs;
  }

  add(latencyMs: number, nowMs: number, item: T): void {
    if (nowMs >= this.#endsAtMs) this.#begin(nowMs);
    if (latencyMs <= this.#thresholdMs) return;
    const { kept } = this.#windows.at(-1)!;
    if (kept.length < this.#perWindow) kept.push({ latencyMs, item });
    else kept[quickest(kept)] = { latencyMs, item };
    if (kept.length === this.#perWindow) this.#thresholdMs = kept[quickest(kept)]!.latencyMs;
  }

  /** Slowest first, of the windows that have not passed out of sight by now. */
  items(nowMs: number): T[] {
    const oldestMs = nowMs - this.#windowMs * (this.#maxWindows - 1);
    return this.#windows
      .filter(({ endsAtMs }) => endsAtMs > oldestMs)
      .flatMap(({ kept }) => kept)
      .sort((a, b) => b.latencyMs - a.latencyMs)
      .map(({ item }) => item);
  }

  #begin(nowMs: number): void {
    this.#endsAtMs = nowMs + this.#windowMs;
    this.#thresholdMs = Number.NEGATIVE_INFINITY;
    this.#windows.push({ endsAtMs: this.#endsAtMs, kept: [] });
    if (this.#windows.length > this.#maxWindows) this.#windows.shift();
  }
}

function quickest(kept: readonly { readonly latencyMs: number }[]): number {
  let index = 0;
  for (let i = 1; i < kept.length; i++) if (kept[i]!.latencyMs < kept[index]!.latencyMs) index = i;
  return index;
}
