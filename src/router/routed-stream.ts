import type { OutgoingStreamCall, PendingStream } from "../api/call-port.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import type { StreamRequest } from "../wire/outstanding-stream.ts";
import type { Link } from "./lane.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { type CallRoutes, RoutedCall } from "./routed-call.ts";

/**
 * A call that may be answered by a stream. It is repeated like any other until its first chunk has come; what ends it
 * after that says `started: "yes"` (D3), and counts among the calls under way until then.
 */
export class RoutedStream extends RoutedCall implements StreamRequest, PendingStream {
  readonly #onChunk: (value: unknown, bytes: number) => void;
  #carrier: { readonly link: Link; readonly id: number } | undefined;

  constructor(call: OutgoingStreamCall, set: ReplicaSet, routes: CallRoutes) {
    super(call, set, routes, undefined);
    this.#onChunk = (value, bytes) => call.onChunk(value, bytes);
  }

  onChunk(value: unknown, bytes: number): void {
    this.#onChunk(value, bytes);
  }

  grant(credit: StreamCredit): void {
    this.#carrier?.link.grant(this.#carrier.id, credit);
  }

  /** One stream is read by one reader: it has one source. */
  override rescue(): void {}

  override hedge(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** How long it takes is its reader's affair. */
  protected override get isTimed(): boolean {
    return false;
  }

  protected override sendOn(link: Link): number {
    const id = link.callStream(this);
    this.#carrier = { link, id };
    return id;
  }
}
