import type { CallSpan } from "./call-group.ts";
import type { LongWait, RecordedCall, RecordedGroup, RecordedRequest } from "./recorded-call.ts";
import { EDGE, type RequestTree, type TreeCall, type TreeGroup } from "./request-tree.ts";

/** All that the processes of a node have recorded and told. */
export interface Recorded {
  /** Of the edge. */
  readonly requests: readonly RecordedRequest[];
  /** Of the code executors. */
  readonly calls: readonly RecordedCall[];
  /** Of the model executors. */
  readonly waits: readonly LongWait[];
}

/** Clocks of two processes of one machine may differ by this much. */
const CLOCK_GRAIN_MS = 2;

/**
 * Puts together what belongs to one request, by its id: under each call that somebody made, the record of where it was
 * served, if that was kept. Ids may repeat, since clients may choose them: a record fits only where its time does, and
 * is used once.
 *
 * @param isRoot which calls nobody in a code executor made; each of them, and each request at the edge, is a tree.
 */
export function joinRequests(
  { requests, calls, waits }: Recorded,
  isRoot: (call: RecordedCall) => boolean,
): RequestTree[] {
  const callsOf = byRequest(calls);
  const waitsOf = byRequest(waits);
  const trees: RequestTree[] = [];
  const seen = new Set<RecordedCall>();
  for (const request of requests) {
    const served = (callsOf.get(request.requestId) ?? []).filter((call) => isRoot(call) && !seen.has(call));
    const join = new Join(callsOf.get(request.requestId) ?? [], waitsOf.get(request.requestId) ?? [], seen);
    trees.push(join.request(request, lastWithin(served, request)));
  }
  for (const call of calls) {
    if (!isRoot(call) || seen.has(call)) continue;
    const join = new Join(callsOf.get(call.requestId) ?? [], waitsOf.get(call.requestId) ?? [], seen);
    trees.push(join.call(call));
  }
  return trees;
}

function byRequest<T extends { readonly requestId: string }>(records: readonly T[]): Map<string, T[]> {
  const map = new Map<string, T[]>();
  for (const record of records) {
    const list = map.get(record.requestId);
    if (list === undefined) map.set(record.requestId, [record]);
    else list.push(record);
  }
  return map;
}

interface Interval {
  readonly startedAtEpochMs: number;
  readonly latencyMs: number;
}

/** The last attempt that began within the caller's time; one that nobody waited for may have ended later. */
function lastWithin<T extends Pick<Interval, "startedAtEpochMs">>(
  calls: readonly T[],
  caller: Interval,
): T | undefined {
  let last: T | undefined;
  for (const call of calls) {
    const afterMs = call.startedAtEpochMs - caller.startedAtEpochMs;
    if (afterMs < -CLOCK_GRAIN_MS || afterMs > caller.latencyMs + CLOCK_GRAIN_MS) continue;
    if (last === undefined || call.startedAtEpochMs > last.startedAtEpochMs) last = call;
  }
  return last;
}

/** One request's records, until each has found its place. */
class Join {
  readonly #calls: readonly RecordedCall[];
  readonly #waits: readonly LongWait[];
  readonly #seen: Set<RecordedCall>;

  constructor(calls: readonly RecordedCall[], waits: readonly LongWait[], seen: Set<RecordedCall>) {
    this.#calls = calls;
    this.#waits = waits;
    this.#seen = seen;
  }

  request(request: RecordedRequest, served: RecordedCall | undefined): RequestTree {
    const { requestId, application, route, startedAtEpochMs, latencyMs, outcome, status, code, fallback } =
      request;
    const { readMs } = request;
    const groups: TreeGroup[] = [];
    const calledMs = latencyMs - readMs;
    if (served !== undefined) {
      groups.push({
        startMs: readMs,
        endMs: latencyMs,
        calls: [this.#served(spanOf(served, calledMs), served)],
      });
    } else if (calledMs > 0) {
      groups.push({ startMs: readMs, endMs: latencyMs, calls: [unrecorded(request, calledMs)] });
    }
    return {
      requestId,
      application,
      applicationVersion: served?.applicationVersion ?? "",
      route,
      startedAtEpochMs,
      latencyMs,
      outcome,
      status,
      code,
      fallback,
      root: {
        ...spanOf(served, latencyMs),
        name: EDGE,
        method: route,
        status: outcome === "failed" ? "failed" : "ok",
        runMs: latencyMs,
        code,
        wait: undefined,
        servedAfterMs: 0,
        groups,
        stages: [],
      },
    };
  }

  call(served: RecordedCall): RequestTree {
    const { requestId, application, applicationVersion, deployment, method } = served;
    const { startedAtEpochMs, latencyMs, outcome, code } = served;
    const root = this.#served(spanOf(served, latencyMs), served);
    return {
      requestId,
      application,
      applicationVersion,
      route: `${deployment}.${method}`,
      startedAtEpochMs,
      latencyMs,
      outcome,
      status: undefined,
      code,
      fallback: false,
      root,
    };
  }

  #served(span: CallSpan, call: RecordedCall): TreeCall {
    this.#seen.add(call);
    return {
      ...span,
      method: call.method,
      wait: undefined,
      servedAfterMs: Math.max(0, span.latencyMs - call.latencyMs),
      groups: call.groups.map((group) => this.#group(group, call)),
      stages: call.stages,
    };
  }

  #group({ method, startMs, endMs, calls }: RecordedGroup, caller: RecordedCall): TreeGroup {
    return {
      startMs,
      endMs,
      calls: calls.map((span) => {
        const madeAt = { startedAtEpochMs: caller.startedAtEpochMs + startMs, latencyMs: span.latencyMs };
        const served = this.#calls.filter(
          (call) => !this.#seen.has(call) && call.deployment === span.name && call.method === method,
        );
        const record = lastWithin(served, madeAt);
        if (record !== undefined) return this.#served(span, record);
        return {
          ...span,
          method,
          wait: lastWithin(
            this.#waits.filter(({ deployment }) => deployment === span.name),
            madeAt,
          ),
          servedAfterMs: 0,
          groups: [],
          stages: [],
        };
      }),
    };
  }
}

/** The call of the edge, which keeps no span of its own. */
function spanOf(served: RecordedCall | undefined, latencyMs: number): CallSpan {
  return {
    name: served?.deployment ?? "",
    status: served?.code === undefined ? "ok" : "failed",
    code: undefined,
    latencyMs,
    routedMs: 0,
    queueMs: 0,
    runMs: served?.latencyMs ?? 0,
    batchSize: 1,
    executor: "",
    attempts: 1,
  };
}

/** The call of an application of which no executor has kept a record: all that the edge knows is how long it took. */
function unrecorded({ application, route, code }: RecordedRequest, latencyMs: number): TreeCall {
  return {
    ...spanOf(undefined, latencyMs),
    name: application,
    method: route,
    status: code === undefined ? "ok" : code === "DeadlineExceeded" ? "late" : "failed",
    code,
    runMs: code === undefined ? latencyMs : 0,
    wait: undefined,
    servedAfterMs: 0,
    groups: [],
    stages: [],
  };
}
