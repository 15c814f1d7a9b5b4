/** What forming needs to know of a waiting item. Deadlines on one clock, in ms. */
export interface WaitingItem {
  readonly rows: number;
  readonly deadlineAtMs: number;
}

export interface BatchLimits {
  /** Cap in rows. A single item that is larger runs alone. */
  readonly maxBatchRows: number;
}

/**
 * How many items from the head of a queue go into the batch that is run now: called when a slot is free, never
 * earlier (D7), so that batches grow with load by themselves.
 *
 * The cap is in rows. Below the cap a batch stops growing where its predicted time would make the most urgent item
 * late, if that item can still be on time alone: waiting work must not pay for company.
 *
 * @param items in the order in which they are to run, none expired.
 */
export function formBatch(
  items: readonly WaitingItem[],
  limits: BatchLimits,
  predictUs: (rows: number) => number,
  nowMs: number,
): number {
  let rows = 0;
  let slackUs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    const grown = rows + item.rows;
    if (i > 0) {
      if (grown > limits.maxBatchRows) return i;
      if (slackUs !== Number.POSITIVE_INFINITY && predictUs(grown) > slackUs) return i;
    }
    const itemSlackUs = (item.deadlineAtMs - nowMs) * 1000;
    // An item that would be late even alone is run as well as can be, without holding back the others' batch.
    if (itemSlackUs < slackUs && predictUs(item.rows) <= itemSlackUs) slackUs = itemSlackUs;
    rows = grown;
  }
  return items.length;
}
