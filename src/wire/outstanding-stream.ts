import { TuttiError } from "../errors/tutti-error.ts";
import { CreditAccount, type StreamCredit } from "../policy/stream-credit.ts";
import type { Suspicion } from "../policy/suspicion.ts";
import { type CallOutcome, type CallStats, NO_STATS } from "./messages.ts";
import type { CallRequest, Outstanding } from "./outstanding.ts";

/** A call that may be answered by a stream. `onEnd` comes after the last chunk, with what the stream returned. */
export interface StreamRequest extends CallRequest {
  /** @param bytes what the chunk uses of the credit; to be granted again once it is taken. */
  onChunk(value: unknown, bytes: number): void;
}

/**
 * A call whose answer may be a stream, until the other side has ended it. It knows what the other side may send (S1),
 * and, given up, takes and drops what was sent before the other side knew.
 */
export class OutstandingStream implements Outstanding {
  readonly request: StreamRequest;
  readonly targets = undefined;
  readonly takesStream = true;
  isSent = false;
  #isOver = false;
  #hasBegun = false;
  readonly #credit = new CreditAccount();

  constructor(request: StreamRequest) {
    this.request = request;
  }

  get target(): number {
    return this.request.target;
  }

  get suspicion(): Suspicion | undefined {
    return this.request.suspicion;
  }

  begun(company: number): void {
    this.request.onBegun?.(company);
  }

  /** Its caller has heard of its end already. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @throws TuttiError `ProtocolError` when there was no credit for it. */
  receive(value: unknown, bytes: number): void {
    if (!this.#credit.use(bytes)) {
      throw new TuttiError("ProtocolError", "a chunk of a stream came beyond its credit");
    }
    if (this.#isOver) return;
    this.#hasBegun = true;
    this.request.onChunk(value, bytes);
  }

  /** False when it is over, so that nothing is to be granted. */
  grant(credit: StreamCredit): boolean {
    return !this.#isOver && this.#credit.grant(credit);
  }

  end(_part: number, outcome: CallOutcome, stats: CallStats): boolean {
    if (this.#isOver) return true;
    this.#isOver = true;
    this.request.onEnd(
      outcome.ok || !this.#hasBegun ? outcome : { ok: false, error: begun(outcome.error) },
      stats,
    );
    return true;
  }

  fail(error: TuttiError): void {
    this.end(0, { ok: false, error }, NO_STATS);
  }
}

/** Its caller has chunks of it: it cannot be had again from the beginning (D3). */
function begun(error: TuttiError): TuttiError {
  if (error.started === "yes") return error;
  return new TuttiError(error.code, error.message, { started: "yes", cause: error });
}
