/** What is known of one replica at the moment of choice. Times in µs. */
export interface ReplicaLoad {
  /** Predicted time until the replica's lane has done everything it was given before. */
  readonly laneBacklogUs: number;
  /** Items that this caller has outstanding at this replica: they wait in the batch that the call would join. */
  readonly waitingItems: number;
  readonly fixedUs: number;
  readonly itemUs: number;
  /** How much later than its siblings the replica was found to answer, for no reason that the above explains. */
  readonly penaltyUs: number;
}

/**
 * When the call would be done on this replica. A call that joins a batch already waiting there costs one item more;
 * one that starts a batch costs its fixed part too. That is why, at equal backlog, calls of one model gather on one
 * lane: half as many batches, each twice as large.
 */
export function predictedFinishUs(load: ReplicaLoad, items = 1): number {
  return load.laneBacklogUs + addedWorkUs(load, items) + load.penaltyUs;
}

/** What the call adds to the work of the replica's lane. */
export function addedWorkUs(load: ReplicaLoad, items = 1): number {
  return (load.waitingItems > 0 ? 0 : load.fixedUs) + load.itemUs * items;
}

/**
 * Power of two choices (Mitzenmacher 2001) on predicted finish time: two candidates are drawn, the better is taken.
 * Only two, because the best of all by a report that is milliseconds old is the same one for every caller.
 *
 * @param count how many candidates there are, at least 1.
 * @param random in [0, 1).
 */
export function chooseReplica(
  count: number,
  loadOf: (index: number) => ReplicaLoad,
  random: () => number,
): number {
  return chooseOfTwo(count, (index) => predictedFinishUs(loadOf(index)), random);
}

/** The same by any measure of which less is better. */
export function chooseOfTwo(count: number, measure: (index: number) => number, random: () => number): number {
  if (count === 1) return 0;
  const first = Math.floor(random() * count);
  const second = (first + 1 + Math.floor(random() * (count - 1))) % count;
  return measure(second) < measure(first) ? second : first;
}
