import type { TuttiError } from "../errors/tutti-error.ts";
import type { Suspicion } from "../policy/suspicion.ts";
import { type CallOutcome, type CallStats, NO_STATS, type RowsOfResult } from "./messages.ts";

/** What every call says of itself. The same `args` given to several calls of a tick is encoded once (D6). */
export interface RequestFields {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly requestId: string;
  /** Absolute, on `performance.now()`'s scale; `Infinity` for none. */
  readonly deadlineAtMs: number;
  readonly priority: number;
  readonly idempotent: boolean;
  /** Optional members of ensembles are to be left out. */
  readonly lean: boolean;
}

/** A call to be made. */
export interface CallRequest extends RequestFields {
  readonly target: number;
  /** How much it is under suspicion of ending the process that runs it (D10). Default `none`. */
  readonly suspicion?: Suspicion;
  /** A call under suspicion is being begun. */
  onBegun?(company: number): void;
  /** Called exactly once (D1), never from inside `call` itself. */
  onEnd(outcome: CallOutcome, stats: CallStats): void;
}

/**
 * One call for each of several targets, with the same arguments: as one entry of a frame. Each part ends exactly once
 * (D1), by `onRows` when its value is some rows of a result that others share, else by `onPart`.
 */
export interface FanoutRequest extends RequestFields {
  /** 1 to `MAX_PARTS`; the part is the index. */
  readonly targets: readonly number[];
  onPart(part: number, outcome: CallOutcome, stats: CallStats): void;
  /** @param nowMs when the reply came. */
  onRows(part: number, rows: RowsOfResult, stats: CallStats, nowMs: number): void;
}

/** A call on its way, until each of its parts has ended. */
export interface Outstanding {
  readonly request: RequestFields;
  readonly target: number;
  readonly targets: readonly number[] | undefined;
  readonly takesStream: boolean;
  /** It has left this process: from now on it may have started. */
  isSent: boolean;
  /** Ends one part; true when nothing is open any more. A part that is not open is left as it is. */
  end(part: number, outcome: CallOutcome, stats: CallStats): boolean;
  /** The same with a value that is rows of a shared result; only for those that can take it as that. */
  endRows?(part: number, rows: RowsOfResult, stats: CallStats, nowMs: number): boolean;
  /** How much the call is under suspicion; a fan-out never is. */
  readonly suspicion?: Suspicion | undefined;
  begun?(company: number): void;
  /** Ends every part that is open. */
  fail(error: TuttiError): void;
}

export class OutstandingCall implements Outstanding {
  readonly request: CallRequest;
  readonly targets = undefined;
  readonly takesStream = false;
  isSent = false;

  constructor(request: CallRequest) {
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

  end(_part: number, outcome: CallOutcome, stats: CallStats): boolean {
    this.request.onEnd(outcome, stats);
    return true;
  }

  fail(error: TuttiError): void {
    this.request.onEnd({ ok: false, error }, NO_STATS);
  }
}

export class OutstandingFanout implements Outstanding {
  readonly request: FanoutRequest;
  readonly target = 0;
  readonly takesStream = false;
  isSent = false;
  /** One bit for each part that has not ended. */
  #open: number;

  constructor(request: FanoutRequest) {
    this.request = request;
    this.#open = 2 ** request.targets.length - 1;
  }

  get targets(): readonly number[] {
    return this.request.targets;
  }

  end(part: number, outcome: CallOutcome, stats: CallStats): boolean {
    if (!this.#close(part)) return false;
    this.request.onPart(part, outcome, stats);
    return this.#open === 0;
  }

  endRows(part: number, rows: RowsOfResult, stats: CallStats, nowMs: number): boolean {
    if (!this.#close(part)) return false;
    this.request.onRows(part, rows, stats, nowMs);
    return this.#open === 0;
  }

  fail(error: TuttiError): void {
    for (let part = 0; part < this.request.targets.length; part++) {
      if (this.#close(part)) this.request.onPart(part, { ok: false, error }, NO_STATS);
    }
  }

  /** False when the part was not open; parts come from the wire and may be any byte. */
  #close(part: number): boolean {
    const bit = part < this.request.targets.length ? 1 << part : 0;
    if ((this.#open & bit) === 0) return false;
    this.#open &= ~bit;
    return true;
  }
}
