import type { Clock } from "../clock/clock.ts";
import type { RunnerEvent } from "../controller/slot.ts";
import type { ControllerEvent } from "../controller/version-port.ts";
import type { EventLog, NodeEvent } from "../observe/event-log.ts";
import type { NodeGlance } from "./node-observer.ts";
import { slotTitle } from "./record-collector.ts";

export interface NodeEventsParts {
  readonly log: EventLog;
  readonly glance: () => NodeGlance;
  readonly clock: Clock;
}

/** Tells what the runner does, and what became of deployments and of the node by it. */
export class NodeEvents {
  readonly #parts: NodeEventsParts;
  readonly #told = new Map<string, string>();
  #cancelLook: (() => void) | undefined;

  constructor(parts: NodeEventsParts) {
    this.#parts = parts;
  }

  note(event: RunnerEvent | ControllerEvent): void {
    this.#parts.log.add(isOfSlot(event) ? toNodeEvent(event) : event);
    // Not at once: the runner tells of what it is about to do, and of several things in one turn.
    this.#cancelLook ??= this.#parts.clock.onNextTurn(() => {
      this.#cancelLook = undefined;
      this.#look();
    });
  }

  close(): void {
    this.#cancelLook?.();
  }

  #look(): void {
    const { ready, reason, deployments } = this.#parts.glance();
    for (const { application, ...facts } of deployments)
      this.#tellOnce(`deployment ${application} ${facts.deployment}`, { type: "deployment", ...facts });
    this.#tellOnce("node", { type: "node", ready, reason });
  }

  #tellOnce(about: string, event: NodeEvent): void {
    const text = JSON.stringify(event);
    if (this.#told.get(about) === text) return;
    this.#told.set(about, text);
    this.#parts.log.add(event);
  }
}

const isOfSlot = (event: RunnerEvent | ControllerEvent): event is RunnerEvent => "slot" in event;

function toNodeEvent(event: RunnerEvent): NodeEvent {
  const executor = slotTitle(event.slot);
  switch (event.type) {
    case "filled":
      return { type: "executor-started", executor, id: event.executor, tookMs: event.tookMs };
    case "lost":
      return { type: "executor-lost", executor, id: event.executor, reason: event.reason };
    case "retiring":
      return { type: "executor-retiring", executor, id: event.executor, reason: event.reason };
    case "unhealthy":
      return { type: "executor-unhealthy", executor, id: event.executor, reason: event.reason };
    case "fill-failed":
      return { type: "executor-start-failed", executor, reason: event.reason, retryInMs: event.retryInMs };
  }
}
