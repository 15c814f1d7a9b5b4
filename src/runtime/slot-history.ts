import type { RunnerEvent } from "../controller/slot.ts";

/** What has happened to one slot since the node began. */
export interface SlotCounts {
  readonly starts: number;
  /** What filled it ended. */
  readonly losses: number;
  /** What filled it was replaced while it still served. */
  readonly retirements: number;
  /** Replicas were replaced in it. */
  readonly unhealthy: number;
  readonly startFailures: number;
  /** How long the last start took; undefined before the first. */
  readonly startMs: number | undefined;
}

const NOTHING: SlotCounts = {
  starts: 0,
  losses: 0,
  retirements: 0,
  unhealthy: 0,
  startFailures: 0,
  startMs: undefined,
};

/** Counts what the runner tells of its slots. */
export class SlotHistory {
  readonly #counts = new Map<string, SlotCounts>();

  note(event: RunnerEvent): void {
    const before = this.of(event.slot);
    this.#counts.set(event.slot, after(before, event));
  }

  of(slot: string): SlotCounts {
    return this.#counts.get(slot) ?? NOTHING;
  }
}

function after(before: SlotCounts, event: RunnerEvent): SlotCounts {
  switch (event.type) {
    case "filled":
      return { ...before, starts: before.starts + 1, startMs: event.tookMs };
    case "lost":
      return { ...before, losses: before.losses + 1 };
    case "fill-failed":
      return { ...before, startFailures: before.startFailures + 1 };
    case "retiring":
      return { ...before, retirements: before.retirements + 1 };
    case "unhealthy":
      return { ...before, unhealthy: before.unhealthy + 1 };
  }
}
