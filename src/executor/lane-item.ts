import type { IncomingCall } from "../wire/messages.ts";
import type { TensorMap } from "../wire/tensor.ts";
import type { QueuedItem } from "./batch-queue.ts";
import type { ReplySink } from "./hosted-replica.ts";

/** A call that came to a lane: what all its parts have in common. */
export interface LaneArrival {
  readonly call: IncomingCall;
  readonly from: ReplySink;
  readonly queuedAtMs: number;
  readonly busyBeforeMs: number;
}

/**
 * One part of a call, waiting for its model. A lane holds one for each member of each ensemble that is under way: what is the
 * same for all parts is kept once, since the young generation of a lane's heap is small.
 */
export class LaneItem implements QueuedItem<TensorMap> {
  readonly part: number;
  readonly input: TensorMap;
  readonly rows: number;
  readonly #arrival: LaneArrival;

  constructor(arrival: LaneArrival, part: number, input: TensorMap, rows: number) {
    this.#arrival = arrival;
    this.part = part;
    this.input = input;
    this.rows = rows;
  }

  get call(): IncomingCall {
    return this.#arrival.call;
  }
  get from(): ReplySink {
    return this.#arrival.from;
  }
  get deadlineAtMs(): number {
    return this.#arrival.call.deadlineAtMs;
  }
  get queuedAtMs(): number {
    return this.#arrival.queuedAtMs;
  }
  get busyBeforeMs(): number {
    return this.#arrival.busyBeforeMs;
  }
}
