import { readdirSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { mayRaiseTo, ownFacts } from "./may-raise.ts";

/** The lowest priority there is: such a process runs when nobody else wants to. */
const IDLE_NICENESS = 19;

/**
 * Lets processes begin in the background, so that starting them does not slow those that serve. For that they must be brought back
 * to the front, which not every user may do: who may not has all of them begin like any other, and that is known before.
 */
export class Background {
  readonly #niceness = getPriority();
  #mayRaise = mayRaiseTo(this.#niceness, ownFacts());

  get isPossible(): boolean {
    return this.#mayRaise;
  }

  /** @returns false when it could not be brought back, and so stays as it is: it is of no use. */
  put(pid: number): boolean {
    if (!this.#set(pid, IDLE_NICENESS)) return true;
    this.#mayRaise = this.#set(pid, this.#niceness);
    // On Linux each thread has its own.
    if (this.#mayRaise) for (const thread of threadsOf(pid)) this.#set(thread, IDLE_NICENESS);
    return this.#mayRaise;
  }

  /** It is about to end, and need not be brought back. */
  leave(pid: number): void {
    for (const thread of threadsOf(pid)) this.#set(thread, IDLE_NICENESS);
  }

  /** @param more by how much it gives way for good. */
  bringBack(pid: number, more: number): void {
    for (const thread of threadsOf(pid)) this.#set(thread, this.#niceness);
    if (more > 0) this.#set(pid, Math.min(IDLE_NICENESS, this.#niceness + more));
  }

  #set(pid: number, niceness: number): boolean {
    try {
      setPriority(pid, niceness);
      return true;
    } catch {
      // It has ended, or may not be raised.
      return false;
    }
  }
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [pid];
  }
}
