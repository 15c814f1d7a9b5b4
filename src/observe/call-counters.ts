/**
 * Where a call was when nobody needed it any more: at the `edge`, in a `router` (chosen or waiting for a replica, until
 * it is sent), at an executor's `door`, in a replica's `queue`, or while it `run`s.
 */
export const STAGES = ["edge", "router", "door", "queue", "run"] as const;
export type Stage = (typeof STAGES)[number];

/**
 * `expired`: its deadline passed there, and it went no further. `cancelled`: its caller gave it up there. `refused`: a
 * bound tripped there; it may have been served elsewhere. `wasted`: it was worked on, and nobody took the result, which
 * is counted where the result arrives.
 *
 * A request that the edge has sent on is counted further in, as the call that it became; at the edge those of which no call
 * was made: their bodies did not come in time, their clients went away, or admission refused them. A call that is given
 * up because it hangs is expired, whatever it may bring later.
 */
export const ENDINGS = ["expired", "cancelled", "refused", "wasted"] as const;
export type Ending = (typeof ENDINGS)[number];

/** Counts by stage and ending; only those that happened. */
export type CallCounts = { readonly [S in Stage]?: { readonly [E in Ending]?: number } };

/** Calls of one process that ended otherwise than by an answer that was used. Counts only rise. */
export class CallCounters {
  readonly #counts = new Float64Array(STAGES.length * ENDINGS.length);

  count(stage: Stage, ending: Ending, calls = 1): void {
    const index = STAGES.indexOf(stage) * ENDINGS.length + ENDINGS.indexOf(ending);
    this.#counts[index] = this.#counts[index]! + calls;
  }

  get(stage: Stage, ending: Ending): number {
    return this.#counts[STAGES.indexOf(stage) * ENDINGS.length + ENDINGS.indexOf(ending)]!;
  }

  snapshot(): CallCounts {
    const counts: { [S in Stage]?: { [E in Ending]?: number } } = {};
    for (const stage of STAGES) {
      const happened = ENDINGS.filter((ending) => this.get(stage, ending) > 0);
      if (happened.length === 0) continue;
      counts[stage] = Object.fromEntries(happened.map((ending) => [ending, this.get(stage, ending)]));
    }
    return counts;
  }
}

/** The sum of several processes' counts. */
export function sumCounts(all: Iterable<CallCounts>): CallCounts {
  const sum = new CallCounters();
  for (const counts of all) {
    for (const stage of STAGES) {
      for (const ending of ENDINGS) {
        const calls = counts[stage]?.[ending];
        if (calls !== undefined) sum.count(stage, ending, calls);
      }
    }
  }
  return sum.snapshot();
}
