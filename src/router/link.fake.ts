import { TuttiError } from "../errors/tutti-error.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import {
  type CallOutcome,
  type CallStats,
  type CreditGrant,
  NO_STATS,
  type Withdrawal,
} from "../wire/messages.ts";
import type { CallRequest, FanoutRequest, RequestFields } from "../wire/outstanding.ts";
import type { StreamRequest } from "../wire/outstanding-stream.ts";
import type { Link } from "./lane.ts";

/** One call to one target, alone or as part of a fan-out, until it has ended. */
export interface SentCall {
  readonly id: number;
  readonly target: number;
  readonly part: number;
  readonly request: RequestFields;
  /** The executor says that it begins the call. */
  begun(company: number): void;
  /** Ends the call; without effect once it has ended, as in a peer. */
  end(outcome: CallOutcome, stats?: CallStats): void;
}

/** A connection to an executor whose replies the test makes. Each call ends exactly once (D1). */
export class FakeLink implements Link {
  /** All calls that were sent, in their order. */
  readonly sent: SentCall[] = [];
  readonly granted: CreditGrant[] = [];
  readonly #streams = new Map<SentCall, StreamRequest>();
  readonly #open = new Map<number, Set<SentCall>>();
  #nextId = 1;
  /** While set, a call is refused at the end of the turn, as a closed or full connection does. */
  refusal: TuttiError | undefined;

  call(request: CallRequest): number {
    const begun = (company: number) => request.onBegun?.(company);
    return this.#send(request, [request.target], (_, outcome, stats) => request.onEnd(outcome, stats), begun);
  }

  callStream(request: StreamRequest): number {
    const id = this.call(request);
    const sent = this.sent.at(-1);
    if (this.refusal === undefined && sent !== undefined) this.#streams.set(sent, request);
    return id;
  }

  grant(id: number, credit: StreamCredit): void {
    this.granted.push({ id, ...credit });
  }

  /** One chunk of a call that takes a stream. */
  chunk(call: SentCall, value: unknown, bytes = 0): void {
    this.#streams.get(call)?.onChunk(value, bytes);
  }

  callMany(request: FanoutRequest): number {
    return this.#send(request, request.targets, (part, outcome, stats) =>
      request.onPart(part, outcome, stats),
    );
  }

  /** What was asked back, in its order; the test says what comes of it. */
  readonly withdrawn: Withdrawal[] = [];
  /** How often it was asked for a sign of life. */
  asked = 0;

  withdraw(withdrawal: Withdrawal): void {
    if (this.#open.has(withdrawal.id)) this.withdrawn.push(withdrawal);
  }

  askForLoad(): void {
    this.asked += 1;
  }

  forEachRequest(visit: (request: RequestFields) => void): void {
    for (const [call] of this.#open.values()) if (call !== undefined) visit(call.request);
  }

  cancel(id: number): void {
    const error = new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "maybe" });
    for (const call of this.#open.get(id) ?? []) call.end({ ok: false, error });
  }

  /** Calls that have not ended, in the order in which they were sent. */
  get open(): SentCall[] {
    return [...this.#open.values()].flatMap((calls) => [...calls]);
  }

  /** The process at the other end is gone: everything it had ends, and what is sent from now on is refused. */
  die(started: "no" | "maybe"): void {
    this.refusal = new TuttiError("PeerClosed", "the connection ended", { started: "no" });
    const error = new TuttiError("PeerClosed", "the connection ended", { started });
    for (const call of this.open) call.end({ ok: false, error });
  }

  #send(
    request: RequestFields,
    targets: readonly number[],
    onEnd: (part: number, outcome: CallOutcome, stats: CallStats) => void,
    begun: (company: number) => void = () => {},
  ): number {
    const id = this.#nextId++;
    const { refusal } = this;
    if (refusal !== undefined) {
      queueMicrotask(() => {
        for (let part = 0; part < targets.length; part++)
          onEnd(part, { ok: false, error: refusal }, NO_STATS);
      });
      return id;
    }
    const open = new Set<SentCall>();
    this.#open.set(id, open);
    targets.forEach((target, part) => {
      const call: SentCall = {
        id,
        target,
        part,
        request,
        begun,
        end: (outcome, stats = NO_STATS) => {
          if (!open.delete(call)) return;
          if (open.size === 0) this.#open.delete(id);
          onEnd(part, outcome, stats);
        },
      };
      open.add(call);
      this.sent.push(call);
    });
    return id;
  }
}
