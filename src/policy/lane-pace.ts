/**
 * Whether a lane has changed its speed: its core is shared, throttled or hot, or is so no more. What each of its models
 * costs is then wrong alike, and to learn that from every model's own runs takes long where a few runs of any of them
 * say it. Pure; the state is its owner's.
 */
export interface LanePace {
  /** Runs in a row that were far from their prediction, on the same side. */
  runs: number;
  /** The least far of them, as a multiple of what was predicted. */
  factor: number;
  /** Of which model the first of them was, and whether any was of another. */
  model: number;
  hasOthers: boolean;
}

/** A run is far from its prediction from this multiple on, or from its inverse down. */
const FAR = 2;
/** And from this much on: less is the clock's and the operating system's. */
const FAR_US = 100;
/** So many in a row are no chance: single pauses hit one run, or a few that are under way together. */
const CERTAIN_RUNS = 5;

export const steadyPace = (): LanePace => ({ runs: 0, factor: 1, model: -1, hasOthers: false });

/**
 * Learns from one run.
 * @returns by how much what is predicted of all models is to be multiplied; undefined while the lane is as it was. A
 *   model that alone has changed is no matter of the lane.
 */
export function learnPace(
  pace: LanePace,
  model: number,
  runUs: number,
  predictedUs: number,
): number | undefined {
  const ratio = runUs / Math.max(1, predictedUs);
  if ((ratio < FAR && ratio > 1 / FAR) || Math.abs(runUs - predictedUs) < FAR_US) {
    pace.runs = 0;
    return undefined;
  }
  const isSlower = ratio >= FAR;
  if (pace.runs === 0 || pace.factor >= FAR !== isSlower) {
    pace.runs = 1;
    pace.factor = ratio;
    pace.model = model;
    pace.hasOthers = false;
    return undefined;
  }
  pace.runs += 1;
  pace.factor = isSlower ? Math.min(pace.factor, ratio) : Math.max(pace.factor, ratio);
  pace.hasOthers ||= model !== pace.model;
  if (pace.runs < CERTAIN_RUNS || !pace.hasOthers) return undefined;
  pace.runs = 0;
  return pace.factor;
}
