import type { AdminSource } from "../../src/admin/admin-source.ts";
import type { NodeStatus } from "../../src/admin/node-status.ts";
import { EventLog, type EventReader } from "../../src/observe/event-log.ts";
import { nothingCounted } from "../../src/observe/node-metrics.fake.ts";
import { call } from "../../src/observe/request-tree.fake.ts";
import type { RequestsQuery, RequestsReport } from "../../src/observe/requests-report.ts";

export const STATUS: NodeStatus = {
  pid: 7,
  uptimeMs: 1000,
  ready: true,
  reason: "",
  troubles: [],
  revision: 0,
  applications: [],
  executors: [],
  calls: { queue: { expired: 3 } },
  batches: [],
  ingress: { requests: 12 },
};

const COUNTED = { ...nothingCounted(), uptimeMs: 1500 };

/** Knows one request, `r-1`. */
export class FakeSource implements AdminSource {
  ready = true;
  readers = 0;
  readonly events = new EventLog(() => 0);
  readonly asked: RequestsQuery[] = [];
  failure: Error | undefined;

  readiness() {
    return { ready: this.ready, reason: this.ready ? "" : "m1 has 0 of 1 replicas" };
  }
  status() {
    return STATUS;
  }
  nameOf(id: string) {
    return id;
  }
  readEvents(afterId: number | undefined, reader: EventReader) {
    const end = this.events.read(afterId, reader);
    this.readers += 1;
    return () => {
      this.readers -= 1;
      end();
    };
  }
  async metrics() {
    return COUNTED;
  }
  async requests(query: RequestsQuery): Promise<RequestsReport> {
    this.asked.push(query);
    if (this.failure !== undefined) throw this.failure;
    const known = query.id === undefined || query.id === "r-1";
    return {
      query,
      requests: known ? [reported()] : [],
      sample: { sampled: 5, of: 50, p50Ms: 3, p95Ms: 9 },
      whatIf: undefined,
      silent: [],
    };
  }
}

function reported(): RequestsReport["requests"][number] {
  const root = call("Supervisor", { latencyMs: 12, runMs: 12 });
  const tree = {
    requestId: "r-1",
    application: "offers",
    applicationVersion: "v1",
    route: "POST /offers/:game",
    startedAtEpochMs: 0,
    latencyMs: 12,
    outcome: "ok" as const,
    status: 200,
    code: undefined,
    fallback: false,
    root,
  };
  return { tree, cause: undefined, path: [], line: "offers v1 r-1 12 ms ok" };
}
