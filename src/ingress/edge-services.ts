import type { BaseLogger } from "pino";
import type { Clock } from "../clock/clock.ts";
import type { CallCounters } from "../observe/call-counters.ts";
import type { RequestRecorder } from "../observe/request-recorder.ts";
import type { Admission } from "./admission.ts";
import type { DeadlineWheel } from "./deadline-wheel.ts";
import type { IngressCounters } from "./ingress-counters.ts";
import type { ResolvedIngressOptions } from "./ingress-options.ts";
import type { IngressTarget } from "./ingress-target.ts";
import type { RequestIds } from "./request-id.ts";
import type { RouteCounters } from "./route-counters.ts";
import type { RouteTable } from "./route-table.ts";

export type IngressLog = Pick<BaseLogger, "debug" | "info" | "warn" | "error">;

/** What every request shares. `table` and `draining` change while the edge runs; a request reads them once. */
export interface EdgeServices {
  table: RouteTable;
  /** From now on the last answer on each connection closes it. */
  draining: boolean;
  readonly target: IngressTarget;
  readonly clock: Clock;
  readonly options: ResolvedIngressOptions;
  readonly counters: IngressCounters;
  readonly routeCounters: RouteCounters;
  /** Of the whole process; here what ends at the edge before any call of it was made. */
  readonly calls: CallCounters;
  readonly admission: Admission;
  readonly wheel: DeadlineWheel;
  readonly ids: RequestIds;
  readonly log: IngressLog;
  readonly recorder: RequestRecorder;
}
