/**
 * A request of this router that is out at an executor: one call, or the members of a fan-out that the executor answers.
 * The links' own lists of what is outstanding are looked through for them, so that a call that ends in time costs
 * nothing for having been watched.
 */
export abstract class OutAttempt {
  /** How long its replicas were seen to take: longer silence than that may mean something. */
  abstract get knownLatencyUs(): number;
  /** Its lane does not answer: what may be done elsewhere is, and the rest is asked back. */
  abstract rescue(nowMs: number): void;
  /** Makes second attempts at what is slow; returns when to look again. */
  abstract hedge(nowMs: number): number;
}
