import type { CancelTimer } from "../clock/clock.ts";
import type { Executor } from "../executor/executor.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import type { LiveReplica, PlannedReplica, Slot, SlotView } from "./slot.ts";

/** What fills a slot: the union owns the process. */
export type SlotState =
  | { readonly kind: "filling" }
  | { readonly kind: "filled"; readonly executor: Executor; readonly live: readonly LiveReplica[] }
  | {
      readonly kind: "waiting";
      readonly cancelTimer: CancelTimer;
      readonly reason: string;
      readonly retryAtMs: number;
    }
  | { readonly kind: "stopped" };

/** A slot as who keeps it filled knows it. */
export interface SlotRecord {
  readonly name: string;
  readonly kind: Slot["kind"];
  planned: readonly PlannedReplica[];
  state: SlotState;
  /** Failures to fill it since it was last filled. */
  failures: number;
  readonly turns: OneAtATime;
}

/** Nothing fills it yet. */
export const newRecord = ({ name, kind, replicas }: Slot): SlotRecord => ({
  name,
  kind,
  planned: replicas,
  state: { kind: "filling" },
  failures: 0,
  turns: new OneAtATime(),
});

export const fills = ({ state }: SlotRecord, executor: Executor): boolean =>
  state.kind === "filled" && state.executor === executor;

export const liveOf = ({ state }: SlotRecord): readonly LiveReplica[] =>
  state.kind === "filled" ? state.live : [];

export const viewOf = ({ name, kind, planned, state }: SlotRecord): SlotView => ({
  name,
  kind,
  planned,
  state: state.kind,
  reason: state.kind === "waiting" ? state.reason : undefined,
  retryAtMs: state.kind === "waiting" ? state.retryAtMs : undefined,
  executor: state.kind === "filled" ? state.executor : undefined,
  live: state.kind === "filled" ? state.live : [],
});
