import { HTTP_PREFIX } from "../api/http-call.ts";
import type { Clock } from "../clock/clock.ts";
import type { NodeRunner } from "../controller/node-runner.ts";
import type { RecordedByExecutor } from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";
import { unpackCalls } from "../observe/pack-calls.ts";
import { KEPT } from "../observe/record-book.ts";
import type { RequestRecorder } from "../observe/request-recorder.ts";
import type { CollectedRecords } from "../observe/requests-report.ts";

export interface RecordCollectorParts {
  readonly runner: Pick<NodeRunner, "slots">;
  /** Of the edge. */
  readonly recorder: RequestRecorder;
  readonly clock: Clock;
}

/** An executor whose thread is busy for longer is left out. */
const EXECUTOR_TIMEOUT_MS = 1000;
/** Whoever asks more often is told the same again: asking costs the processes that serve. */
const FRESH_MS = 1000;

/** Asks every executor of a node for what it has recorded, when somebody wants to know. */
export class RecordCollector {
  readonly #parts: RecordCollectorParts;
  #last: { readonly atMs: number; readonly records: Promise<CollectedRecords> } | undefined;

  constructor(parts: RecordCollectorParts) {
    this.#parts = parts;
  }

  collect(): Promise<CollectedRecords> {
    const nowMs = this.#parts.clock.now();
    if (this.#last === undefined || nowMs - this.#last.atMs >= FRESH_MS) {
      this.#last = { atMs: nowMs, records: this.#collect(nowMs) };
    }
    return this.#last.records;
  }

  /** What people call an executor: the place that it fills, e.g. `lane 0` for `lane0`. */
  nameOf(executorId: string): string {
    const slot = this.#parts.runner.slots().find(({ executor }) => executor?.id === executorId);
    return slot === undefined ? executorId : slotTitle(slot.name);
  }

  async #collect(nowMs: number): Promise<CollectedRecords> {
    const { runner, recorder } = this.#parts;
    const executors = new Set(runner.slots().flatMap(({ executor }) => executor ?? []));
    const answers = await Promise.all([...executors].map((executor) => ask(executor)));
    const recorded = answers.filter((answer) => typeof answer !== "string");
    return {
      requests: [...new Set(KEPT.flatMap((kept) => recorder.kept(kept, nowMs)))],
      calls: recorded.flatMap(({ kept }) => unpackCalls(kept)),
      sample: recorded.flatMap(({ sample }) =>
        sample.map(({ calls, offered }) => ({ items: unpackCalls(calls), offered })),
      ),
      waits: recorded.flatMap(({ waits }) => waits),
      silent: answers.filter((answer) => typeof answer === "string").map((id) => this.nameOf(id)),
      nameOf: (id) => this.nameOf(id),
      replicasOf: (deployment) =>
        runner
          .slots()
          .reduce((sum, { live }) => sum + live.filter((one) => one.deployment === deployment).length, 0),
      isRoot: ({ method }) => method.startsWith(HTTP_PREFIX),
    };
  }
}

/** What it has recorded, or its id when it does not say. */
async function ask(executor: Executor): Promise<RecordedByExecutor | string> {
  try {
    return await executor.order({ type: "requests" }, EXECUTOR_TIMEOUT_MS);
  } catch {
    // It has ended, is blocked, or is about to be ended by its heartbeat: that is told elsewhere.
    return executor.id;
  }
}

export const slotTitle = (name: string): string => name.replace(/^(lane|code)(\d+)$/, "$1 $2");
