import type { TuttiError } from "../errors/tutti-error.ts";
import type { CallPlace, SecondAttemptNote } from "../observe/call-group.ts";
import type { CallOutcome, CallStats } from "../wire/messages.ts";

/** The attempt that was made second. */
export interface SecondAttempt {
  /** Where it was sent; empty while it waits for a replica. */
  readonly executor: string;
  readonly sentAtMs: number;
  /** The first has answered: it is taken back if it waits, aborted if it runs, and never repeated. */
  lose(): void;
  /** The first took an executor with it. */
  suspect(): void;
  /** The caller gives the call up. */
  cancel(): void;
}

/** The attempt that was out when the second was made. */
export interface FirstAttempt {
  readonly why: SecondAttemptNote["why"];
  readonly executor: string;
  readonly sentAtMs: number;
}

export interface RaceEvents {
  /** Ends the call, unless `firstAnswered` says that its caller does. */
  onEnd(outcome: CallOutcome, stats: CallStats, place: CallPlace | undefined): void;
  /** The second attempt has answered: nobody wants what the first one, which is asked back already, may bring. */
  abortFirst(): void;
  /** One of the two never started: there was no extra call. */
  onMoved(): void;
  /** Both were worked on. */
  onWasted(): void;
}

/**
 * Two attempts at one call: the first, which was asked back when the second left, and the second. The first success is
 * the call's end; when there is none, the last failure is (D1). A first attempt that comes back as not started is no
 * failure: the call was moved, and the second is all there is.
 */
export class Race {
  readonly #events: RaceEvents;
  readonly #first: FirstAttempt;
  readonly #second: SecondAttempt;
  #isDecided = false;
  #isFirstOut = true;
  #isSecondOut = true;
  /** Of the one that failed while the other was out. */
  #failure:
    | { readonly outcome: CallOutcome; readonly stats: CallStats; readonly place: CallPlace | undefined }
    | undefined;

  constructor(first: FirstAttempt, second: SecondAttempt, events: RaceEvents) {
    this.#first = first;
    this.#second = second;
    this.#events = events;
  }

  /** The call has its answer: what comes now is nobody's. */
  get isDecided(): boolean {
    return this.#isDecided;
  }

  get second(): SecondAttempt {
    return this.#second;
  }

  /** The place of the attempt that decided, with what is to be told of the other. */
  placeOf(decided: SecondAttemptNote["decided"], place: CallPlace | undefined): CallPlace | undefined {
    const { why, executor: first, sentAtMs: firstSentAtMs } = this.#first;
    const { executor: second, sentAtMs: secondSentAtMs } = this.#second;
    if (place === undefined || second === "") return place;
    const { executor, target, sentAtMs } = place;
    const secondAttempt = { why, first, second, decided, afterMs: secondSentAtMs - firstSentAtMs };
    return { executor, target, sentAtMs, attempts: Math.max(2, place.attempts), secondAttempt };
  }

  /** @returns whether this answer is the call's. */
  firstAnswered(): boolean {
    this.#isFirstOut = false;
    if (this.#isDecided) {
      this.#events.onWasted();
      return false;
    }
    this.#isDecided = true;
    if (this.#isSecondOut) this.#second.lose();
    return true;
  }

  firstFailed(error: TuttiError, stats: CallStats, place: CallPlace | undefined): void {
    this.#isFirstOut = false;
    const wasGivenBack = error.code === "Cancelled" && error.started === "no";
    if (wasGivenBack) this.#events.onMoved();
    else if (this.#isDecided && error.started !== "no") this.#events.onWasted();
    if (error.code === "PeerClosed" && error.started !== "no") this.#second.suspect();
    // While the second is out, its end is the call's.
    if (this.#isDecided || this.#isSecondOut) return;
    this.#isDecided = true;
    const last = wasGivenBack ? this.#failure : undefined;
    if (last === undefined) this.#events.onEnd({ ok: false, error }, stats, this.placeOf("first", place));
    else this.#events.onEnd(last.outcome, last.stats, this.placeOf("second", last.place));
  }

  secondEnded(outcome: CallOutcome, stats: CallStats, place: CallPlace | undefined): void {
    this.#isSecondOut = false;
    if (this.#isDecided) {
      const neverStarted = !outcome.ok && outcome.error.started === "no";
      if (neverStarted) this.#events.onMoved();
      else this.#events.onWasted();
      return;
    }
    if (!outcome.ok && this.#isFirstOut) {
      this.#failure = { outcome, stats, place };
      return;
    }
    this.#isDecided = true;
    if (this.#isFirstOut) this.#events.abortFirst();
    this.#events.onEnd(outcome, stats, this.placeOf("second", place));
  }
}
