import type { ReplicaSpec } from "../executor/control-messages.ts";
import type { Executor } from "../executor/executor.ts";

/** A replica that is to be in a slot. */
export interface PlannedReplica {
  /** What it is, whoever wants it: two that are interchangeable have one key. */
  readonly key: string;
  readonly deployment: string;
  /** Among those of its key. */
  readonly index: number;
  /** One line for people: why there. */
  readonly reason: string;
  readonly memoryMb: number;
  readonly spec: ReplicaSpec;
}

/** A place for one process, and what is to be in it. Places outlive the processes that fill them. */
export interface Slot {
  readonly name: string;
  readonly kind: "model" | "code";
  readonly replicas: readonly PlannedReplica[];
}

/** A replica that is ready. */
export interface LiveReplica {
  readonly key: string;
  readonly deployment: string;
  readonly index: number;
  readonly target: number;
  readonly executor: string;
}

/** A slot as others see it. */
export interface SlotView {
  readonly name: string;
  readonly kind: Slot["kind"];
  readonly state: "filling" | "filled" | "waiting" | "stopped";
  /** Why it waits, if it does. */
  readonly reason: string | undefined;
  /** When it is tried again, if it waits. */
  readonly retryAtMs: number | undefined;
  readonly executor: Executor | undefined;
  readonly planned: readonly PlannedReplica[];
  readonly live: readonly LiveReplica[];
}

export type RunnerEvent =
  | { readonly type: "lost"; readonly slot: string; readonly executor: string; readonly reason: string }
  /** Some of its replicas are not, and are replaced in it. */
  | { readonly type: "unhealthy"; readonly slot: string; readonly executor: string; readonly reason: string }
  /** It is to be replaced while it still serves. */
  | { readonly type: "retiring"; readonly slot: string; readonly executor: string; readonly reason: string }
  | { readonly type: "filled"; readonly slot: string; readonly executor: string; readonly tookMs: number }
  | {
      readonly type: "fill-failed";
      readonly slot: string;
      readonly reason: string;
      readonly retryInMs: number;
    };

/** Two plans for one thing: the same deployment, the same place among its copies. */
export const isSame = (
  a: Pick<PlannedReplica, "key" | "index">,
  b: Pick<PlannedReplica, "key" | "index">,
): boolean => a.key === b.key && a.index === b.index;
