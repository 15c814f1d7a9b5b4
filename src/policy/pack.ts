/** A replica of a class that only waits, as its callers see it. */
export interface WaitingLoad {
  /** Share of one core that its process used of late, 0 to 1. */
  readonly busyFraction: number;
}

/** One event loop this busy has queues of its own; two that are half as busy have none. */
const SPREAD_ABOVE_BUSY = 0.65;
const PACK_BELOW_BUSY = 0.5;

/**
 * Whether calls of a class that only waits are spread over its replicas, or all go to the first of them.
 *
 * Such a class needs no second core while one event loop has time left, and calls that are together cost less: they
 * share frames on the way in, their fan-outs share frames on the way out, and the models' calls are gathered by one
 * router instead of two that do not know of each other. The other replicas are there for when the first is busy,
 * silent or gone.
 *
 * @param wasSpread what this returned before: between the two bounds it stays so.
 */
export function isSpread(replicas: readonly WaitingLoad[], wasSpread: boolean): boolean {
  let busy = 0;
  for (const { busyFraction } of replicas) busy += busyFraction;
  return busy > (wasSpread ? PACK_BELOW_BUSY : SPREAD_ABOVE_BUSY);
}
