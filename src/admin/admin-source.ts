import type { EventReader } from "../observe/event-log.ts";
import type { NodeMetrics } from "../observe/node-metrics.ts";
import type { RequestsQuery, RequestsReport } from "../observe/requests-report.ts";
import type { NodeStatus } from "./node-status.ts";

/** What the admin API shows; the node has it. */
export interface AdminSource {
  readiness(): { readonly ready: boolean; readonly reason: string };
  status(): NodeStatus;
  metrics(): Promise<NodeMetrics>;
  requests(query: RequestsQuery): Promise<RequestsReport>;
  /** Tells of events from now on, and of those after one that is known. @returns ends it. */
  readEvents(afterId: number | undefined, reader: EventReader): () => void;
  /** What people call an executor. */
  nameOf(executorId: string): string;
}
