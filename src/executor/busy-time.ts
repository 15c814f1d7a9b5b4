/** For how long something was at work in all, the work that is under way included. */
export class BusyTime {
  #endedMs = 0;
  #sinceMs: number | undefined;

  begin(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  end(nowMs: number): void {
    if (this.#sinceMs !== undefined) this.#endedMs += nowMs - this.#sinceMs;
    this.#sinceMs = undefined;
  }

  /** Never less than before, as long as the clock does not go back. */
  totalMs(nowMs: number): number {
    return this.#endedMs + (this.#sinceMs === undefined ? 0 : nowMs - this.#sinceMs);
  }
}
