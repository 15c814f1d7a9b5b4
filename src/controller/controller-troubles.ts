import type { ErrorCode } from "../errors/codes.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ControllerEvent } from "./version-port.ts";

/** What a controller may be kept from: reading what is wanted, noting what is served or was given up, its own work. */
export type ControllerTask = "read" | "note-served" | "note-rollback" | "pass";

/** What keeps a controller from its work: told when it begins and when it is over, and there to be asked for meanwhile. */
export class ControllerTroubles {
  readonly #onEvent: (event: ControllerEvent) => void;
  readonly #reasons = new Map<ControllerTask, string>();

  constructor(onEvent: (event: ControllerEvent) => void) {
    this.#onEvent = onEvent;
  }

  get reasons(): string[] {
    // What is full or read-only keeps it from several things for one reason.
    return [...new Set(this.#reasons.values())];
  }

  /** @param code of what was thrown, if that has none. */
  began(task: ControllerTask, thrown: unknown, code: ErrorCode): void {
    const { message: reason } = TuttiError.from(thrown, code);
    if (this.#reasons.get(task) === reason) return;
    this.#reasons.set(task, reason);
    this.#onEvent({ type: "controller-failed", reason });
  }

  over(task: ControllerTask): void {
    const reason = this.#reasons.get(task);
    if (reason === undefined) return;
    this.#reasons.delete(task);
    this.#onEvent({ type: "controller-recovered", reason });
  }
}
