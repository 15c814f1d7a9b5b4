import { calledMethod } from "../api/http-call.ts";
import type { RunnerEvent } from "../controller/slot.ts";
import type { SpecToHost } from "../executor/control-messages.ts";
import type { Decision } from "./decision.ts";
import { type CallFate, type Plant, type PlantSite, Plants } from "./plant.ts";
import type { ReplicaWatch } from "./planted-replica.ts";
import type { ModelRun } from "./simulated-model.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What happens in a world, written down; and what is planted to happen. */
export class WorldRecord {
  readonly decisions: Decision[] = [];
  readonly #plants = new Plants();
  readonly #time: VirtualTime;
  /** The slot that each executor fills. */
  readonly #slotOf = new Map<string, string>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  plant(plant: Plant): () => void {
    return this.#plants.add(plant);
  }

  requested(requestId: string, path: string): void {
    this.decisions.push({ kind: "request", atMs: this.#time.nowMs, requestId, path });
  }

  answered(requestId: string, status: number): void {
    this.decisions.push({ kind: "answer", atMs: this.#time.nowMs, requestId, status });
  }

  onEvent(event: RunnerEvent): void {
    if (event.type === "filled") this.#slotOf.set(event.executor, event.slot);
    if (event.type === "lost") this.#slotOf.delete(event.executor);
    this.decisions.push({ kind: "executor", atMs: this.#time.nowMs, event });
  }

  /** @param executor id of the executor that hosts the replica. */
  watchReplica(executor: string, { deployment, index: replica }: SpecToHost): ReplicaWatch {
    return {
      onCall: (call): CallFate => {
        const atMs = this.#time.nowMs;
        const { requestId } = call;
        const method = calledMethod(call.method);
        this.decisions.push({ kind: "call", atMs, requestId, deployment, replica, executor, method });
        return this.#plants.fateOfCall(this.#site(executor, deployment, replica, method));
      },
    };
  }

  onRun(executor: string, { deployment, replica, rows }: ModelRun): number {
    this.decisions.push({ kind: "run", atMs: this.#time.nowMs, deployment, replica, executor, rows });
    return this.#plants.slownessOfRun(this.#site(executor, deployment, replica, "predict"));
  }

  #site(executor: string, deployment: string, replica: number, method: string): PlantSite {
    const slot = this.#slotOf.get(executor);
    return { deployment, replica, executor, slot, method, atMs: this.#time.nowMs };
  }
}
