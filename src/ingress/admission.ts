import {
  type AdmitOptions,
  admit,
  hasRoom,
  initialAdmit,
  left,
  type RequestPriority,
  retryAfterSeconds,
  type Verdict,
} from "../policy/admit.ts";
import { noteLoopLag } from "../policy/in-flight-limit.ts";
import type { RequestEnd } from "../policy/limit-window.ts";
import type { ResolvedAdmissionOptions } from "./admission-options.ts";
import type { IngressCounters } from "./ingress-counters.ts";

/**
 * The edge's door (D5): counts what is under way, asks the policy, keeps the counters. While it is off everything is let
 * in, and only counted.
 */
export class Admission {
  readonly #options: ResolvedAdmissionOptions;
  readonly #counters: IngressCounters;
  readonly #random: () => number;
  readonly #state;
  #policy: AdmitOptions;

  constructor(
    options: ResolvedAdmissionOptions,
    counters: IngressCounters,
    nowMs: number,
    random: () => number = Math.random,
  ) {
    this.#options = options;
    this.#counters = counters;
    this.#random = random;
    this.#policy = { ...options, maxInFlight: options.minInFlight };
    this.#state = initialAdmit(this.#policy, nowMs);
  }

  /** How many requests the applications' replicas take at a time: no more are let in, whatever the limit says. */
  setCapacity(requests: number): void {
    const { maxInFlight = Number.POSITIVE_INFINITY, minInFlight } = this.#options;
    const ceiling = Math.max(1, Math.min(maxInFlight, requests));
    const { limit } = this.#state;
    // At the top it stays at the top; so it begins there.
    limit.limit = limit.limit === this.#policy.maxInFlight ? ceiling : Math.min(limit.limit, ceiling);
    this.#policy = { ...this.#policy, minInFlight: Math.min(minInFlight, ceiling), maxInFlight: ceiling };
  }

  get limit(): number {
    return this.#options.enabled ? Math.floor(this.#state.limit.limit) : Number.POSITIVE_INFINITY;
  }

  get inFlight(): number {
    return this.#state.inFlight;
  }

  /** Median wait of the last window. */
  get queueMs(): number {
    return this.#state.limit.waitMs;
  }

  /** Whether a request would be let in now: asked before its body is read, and binding only when the answer is no. */
  hasRoom(priority: RequestPriority, nowMs: number): boolean {
    return !this.#options.enabled || hasRoom(this.#state, this.#policy, priority, nowMs);
  }

  /** After `admit` or `lean`, `left` must be called once. */
  admit(priority: RequestPriority, nowMs: number): Verdict {
    const counters = this.#counters;
    if (!this.#options.enabled) {
      this.#state.inFlight += 1;
      this.#countAdmitted(priority);
      return "admit";
    }
    const verdict = admit(this.#state, this.#policy, priority, nowMs);
    switch (verdict) {
      case "lean":
        counters.lean++;
        this.#countAdmitted(priority);
        break;
      case "admit":
        this.#countAdmitted(priority);
        break;
      case "refuse-held":
        counters.refusedLowHeld++;
        break;
      case "refuse":
        if (priority === "high") counters.refusedHigh++;
        else counters.refusedLow++;
    }
    return verdict;
  }

  left(priority: RequestPriority, ended: RequestEnd, nowMs: number): void {
    left(this.#state, this.#policy, priority, ended, nowMs);
  }

  /** The edge's own event loop was so late. */
  noteLoopLag(lateMs: number): void {
    noteLoopLag(this.#state.limit, lateMs);
  }

  #countAdmitted(priority: RequestPriority): void {
    this.#counters.admitted++;
    if (priority === "low") this.#counters.admittedLow++;
  }

  retryAfterSeconds(): number {
    return retryAfterSeconds(this.#state, this.#random());
  }
}
