import { TuttiError } from "../errors/tutti-error.ts";
import type { CallEntry } from "./encode-frame.ts";
import type { Outstanding, RequestFields } from "./outstanding.ts";
import { CALL_BYTES, MAX_CALLS_PER_FRAME, PAYLOAD_ENTRY_BYTES, type WireLimits } from "./protocol.ts";
import { Tensor } from "./tensor.ts";
import { type EncodedValue, encodeArguments } from "./value-codec.ts";

/** At most what a call adds to its frame, apart from its strings and its payload's own bytes. */
const ENTRY_BYTES = CALL_BYTES + PAYLOAD_ENTRY_BYTES + 16;

/** What goes into one frame. */
export interface CallsOfFrame {
  readonly entries: readonly CallEntry[];
  readonly payloads: readonly EncodedValue[];
}

/**
 * The calls of one tick, or of a few if they are held, until they leave together (D6): an argument that several of them share is
 * encoded once.
 */
export class OutgoingCalls {
  readonly #limits: WireLimits;
  #payloadOf = new Map<unknown, EncodedValue>();
  #unsent: { readonly id: number; readonly payload: EncodedValue }[] = [];
  #bytes = 0;

  constructor(limits: WireLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#unsent.length === 0;
  }

  /** No more fit into one frame. */
  get isFull(): boolean {
    return this.#unsent.length >= Math.min(this.#limits.maxFrameEntries, MAX_CALLS_PER_FRAME);
  }

  /** @throws TuttiError `PayloadTooLarge`, `NotSerialisable`. */
  argumentsOf(request: RequestFields): EncodedValue {
    const known = this.#payloadOf.get(sharedBy(request));
    if (known !== undefined) return known;
    const payload = encodeArguments(request.args, this.#limits.maxDepth);
    const limit = this.#limits.maxFrameBytes / 2;
    if (payload.bytes <= limit) return payload;
    throw new TuttiError("PayloadTooLarge", `arguments of ${payload.bytes} bytes are above ${limit}`);
  }

  /** If not, what is there has to leave first. */
  hasRoomFor(call: Outstanding, payload: EncodedValue): boolean {
    return this.#bytes + payload.bytes + entryBytes(call) <= this.#limits.maxFrameBytes / 2;
  }

  add(id: number, call: Outstanding, payload: EncodedValue): void {
    const shared = sharedBy(call.request);
    if (!this.#payloadOf.has(shared)) {
      this.#payloadOf.set(shared, payload);
      this.#bytes += payload.bytes;
    }
    this.#bytes += entryBytes(call);
    this.#unsent.push({ id, payload });
  }

  /**
   * For a call that does not leave with its tick, after which its arguments are the caller's again: it shares them with none.
   *
   * @param payload `writtenDown`.
   */
  addHeld(id: number, call: Outstanding, payload: EncodedValue): void {
    this.#bytes += payload.bytes + entryBytes(call);
    this.#unsent.push({ id, payload });
  }

  /** Empties it. Calls that have ended in the same tick never leave. */
  take(callOf: (id: number) => Outstanding | undefined): CallsOfFrame {
    const entries: CallEntry[] = [];
    const payloads: EncodedValue[] = [];
    const indexOf = new Map<EncodedValue, number>();
    for (const { id, payload: encoded } of this.#unsent) {
      const call = callOf(id);
      if (call === undefined) continue;
      let payload = indexOf.get(encoded);
      if (payload === undefined) {
        payload = payloads.push(encoded) - 1;
        indexOf.set(encoded, payload);
      }
      const { method, requestId, deadlineAtMs, priority, idempotent, lean } = call.request;
      const { target, targets, suspicion, takesStream } = call;
      entries.push({
        id,
        target,
        targets,
        method,
        requestId,
        deadlineAtMs,
        priority,
        idempotent,
        lean,
        suspicion,
        takesStream,
        payload,
      });
    }
    this.#unsent = [];
    this.#bytes = 0;
    this.#payloadOf = new Map();
    return { entries, payloads };
  }
}

function entryBytes({ request: { method, requestId }, targets }: Outstanding): number {
  return ENTRY_BYTES + 3 * (method.length + requestId.length) + 4 * (targets?.length ?? 0);
}

/** Tensors are immutable by contract, so that one given to many calls is one payload; other values are not. */
function sharedBy({ args }: RequestFields): unknown {
  return args.length === 1 && args[0] instanceof Tensor ? args[0] : args;
}
