import { ManualClock } from "../../src/clock/manual-clock.ts";
import type { DecisionLog } from "../../src/executor/batch-decisions.ts";
import type { ReplySink } from "../../src/executor/hosted-replica.ts";
import { ModelLane } from "../../src/executor/model-lane.ts";
import { ModelReplica } from "../../src/executor/model-replica.ts";
import type { ModelMetadata } from "../../src/onnx/model-metadata.ts";
import type { ModelSession } from "../../src/onnx/model-session.ts";
import type { IncomingCall } from "../../src/wire/messages.ts";
import { Tensor, type TensorMap } from "../../src/wire/tensor.ts";
import { type CostCurve, MAX_BATCH_ROWS } from "./cost-curves.ts";
import { modesOf, type Outcome, type Workload } from "./workload.ts";

/** What one replica on the lane is to serve. */
export interface Served {
  readonly workload: Workload;
  /** Priority of the n-th call. Default 1 for all. */
  readonly priorityOf?: (index: number) => number;
}

export interface LaneOutcome extends Outcome {
  readonly goodByPriority: ReadonlyMap<number, number>;
  readonly replica: ModelReplica;
}

/**
 * The batcher itself: `ModelReplica`s on a `ModelLane`, as an executor hosts them, on a clock that is moved by hand, with
 * sessions that take as long as their cost curve says. Nothing of the batcher is set.
 */
export async function simulateLane(
  served: readonly Served[],
  seed: number,
  decisions?: DecisionLog,
): Promise<readonly LaneOutcome[]> {
  const clock = new ManualClock();
  const lane = new ModelLane({ clock, ...(decisions === undefined ? {} : { decisions }) });
  const models = served.map((one, index) => new SimulatedModel(one, index + 1, seed + index, clock, lane));
  const lastMs = Math.max(...served.map(({ workload }) => workload.arrivals.at(-1)!.deadlineAtMs));
  for (const model of models) model.start();
  await clock.advance(lastMs + 10_000);
  return models.map((model) => model.outcome());
}

class SimulatedModel implements ReplySink {
  readonly replica: ModelReplica;
  readonly #served: Served;
  readonly #session: SimulatedSession;
  readonly #clock: ManualClock;
  readonly #originMs: number;
  readonly #good: boolean[] = [];
  #next = 0;

  constructor(served: Served, target: number, seed: number, clock: ManualClock, lane: ModelLane) {
    const { curve } = served.workload;
    this.#served = served;
    this.#clock = clock;
    this.#originMs = clock.now();
    this.#session = new SimulatedSession(curve, seed, clock);
    const spec = {
      kind: "model" as const,
      target,
      deployment: `m${target}`,
      index: 0,
      path: "",
      sha256: "",
      maxBatchRows: MAX_BATCH_ROWS,
      maxOngoing: 100_000,
      maxQueueMs: undefined,
      gracefulShutdownMs: 1000,
      session: {},
    };
    // What an executor measures before a replica is ready: short rows, the quick mode.
    const warmUp = [1, 8].map((rows) => ({ rows, ms: curve.runMs(rows, 0, 0.5) }));
    this.replica = new ModelReplica(spec, this.#session, warmUp, lane);
    lane.add(this.replica);
  }

  start(): void {
    const arrival = this.#served.workload.arrivals[this.#next];
    if (arrival === undefined) return;
    this.#clock.after(this.#originMs + arrival.atMs - this.#clock.now(), () => {
      const id = this.#next;
      const { priorityOf = () => 1 } = this.#served;
      const call: IncomingCall = {
        id,
        target: this.replica.target,
        targets: undefined,
        method: "predict",
        requestId: "",
        deadlineAtMs: this.#originMs + arrival.deadlineAtMs,
        priority: priorityOf(id),
        idempotent: true,
        lean: false,
        takesStream: false,
        args: [arrival.isLong ? LONG_ROW : SHORT_ROW],
      };
      this.replica.accept(call, this, 0);
      this.#next += 1;
      this.start();
    });
  }

  /** Errors, here always of calls that were ended early. */
  reply(): void {}

  replyRows(id: number): void {
    const { arrivals } = this.#served.workload;
    // The clock adds up many small steps; a deadline met is met within a nanosecond.
    this.#good[id] = this.#originMs + arrivals[id]!.deadlineAtMs >= this.#clock.now() - 1e-6;
  }

  outcome(): LaneOutcome {
    const { workload, priorityOf = () => 1 } = this.#served;
    const all = new Map<number, number>();
    const good = new Map<number, number>();
    for (let id = workload.countedFrom; id < workload.arrivals.length; id++) {
      const priority = priorityOf(id);
      all.set(priority, (all.get(priority) ?? 0) + 1);
      if (this.#good[id] === true) good.set(priority, (good.get(priority) ?? 0) + 1);
    }
    const sum = (counts: ReadonlyMap<number, number>) => [...counts.values()].reduce((a, b) => a + b, 0);
    return {
      goodFraction: sum(good) / sum(all),
      meanBatchRows: this.#session.rows / Math.max(1, this.#session.runs),
      goodByPriority: new Map(
        [...all].map(([priority, calls]) => [priority, (good.get(priority) ?? 0) / calls]),
      ),
      replica: this.replica,
    };
  }
}

const row = (value: number): Tensor => new Tensor("float32", Float32Array.of(value), [1, 1]);
const SHORT_ROW = row(0);
const LONG_ROW = row(1);

class SimulatedSession implements ModelSession {
  readonly metadata: ModelMetadata = {
    name: "simulated",
    inputs: [{ name: "x", type: "float32", shape: [null, 1] }],
    outputs: [{ name: "y", type: "float32", shape: [null, 1] }],
    batchAxis: true,
  };
  runs = 0;
  rows = 0;
  readonly #curve: CostCurve;
  readonly #mode: () => number;
  readonly #clock: ManualClock;

  constructor(curve: CostCurve, seed: number, clock: ManualClock) {
    this.#curve = curve;
    this.#mode = modesOf(seed);
    this.#clock = clock;
  }

  async run(inputs: TensorMap): Promise<TensorMap> {
    const x = inputs["x"]!;
    const rows = x.dims[0]!;
    const longRows = (x.data as Float32Array).reduce((sum, value) => sum + value, 0);
    this.runs += 1;
    this.rows += rows;
    const ms = this.#curve.runMs(rows, longRows, this.#mode());
    await new Promise<void>((resolve) => this.#clock.after(ms, resolve));
    return { y: x };
  }

  async close(): Promise<void> {}
}
