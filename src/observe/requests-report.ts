import type { Stratum } from "../policy/uniform-sample.ts";
import { type Cause, causeOf } from "./cause.ts";
import { criticalPath, type PathStage } from "./critical-path.ts";
import {
  describePath,
  describeRequest,
  describeTree,
  type ExecutorNames,
  hasCompany,
} from "./describe-request.ts";
import { formatMs } from "./format-ms.ts";
import { joinRequests } from "./join-requests.ts";
import type { Kept } from "./record-book.ts";
import type { LongWait, RecordedCall, RecordedRequest } from "./recorded-call.ts";
import type { RequestTree } from "./request-tree.ts";
import { UsualTimes } from "./usual-times.ts";
import { type WhatIf, WhatIfEstimate, weightedQuantile } from "./what-if.ts";

/** All that a node's processes have recorded, and what is needed to read it. */
export interface CollectedRecords {
  readonly requests: readonly RecordedRequest[];
  readonly calls: readonly RecordedCall[];
  readonly sample: readonly Stratum<RecordedCall>[];
  readonly waits: readonly LongWait[];
  /** Executors that did not answer in time: what they know is missing here. */
  readonly silent: readonly string[];
  readonly nameOf: ExecutorNames;
  readonly replicasOf: (deployment: string) => number;
  /** Which calls came from outside. */
  readonly isRoot: (call: RecordedCall) => boolean;
}

export interface RequestsQuery {
  readonly kept: Kept;
  readonly limit: number;
  /** One request in detail, whatever it was kept for. */
  readonly id: string | undefined;
  /** The deployment that "what if" is asked for. Default the cause of most of the requests shown. */
  readonly deployment: string | undefined;
}

export interface ReportedRequest {
  readonly tree: RequestTree;
  readonly cause: Cause | undefined;
  readonly path: readonly PathStage[];
  /** For people: what happened. */
  readonly line: string;
}

export interface RequestsReport {
  readonly query: RequestsQuery;
  readonly requests: readonly ReportedRequest[];
  /** Of requests drawn at random, over the last one to two minutes. */
  readonly sample: {
    readonly sampled: number;
    readonly of: number;
    readonly p50Ms: number;
    readonly p95Ms: number;
  };
  readonly whatIf: WhatIf | undefined;
  readonly silent: readonly string[];
}

/** Sampled requests read at a time. */
const CHUNK = 16;

/** @param pause awaited between parts of the work, of which all together may take long: others have a turn then. */
export async function reportRequests(
  records: CollectedRecords,
  query: RequestsQuery,
  pause: () => Promise<void>,
): Promise<RequestsReport> {
  const { nameOf, replicasOf, isRoot } = records;
  const sample: WeightedTree[] = [];
  const usual = new UsualTimes();
  for (const { items, offered } of records.sample) {
    for (let from = 0; from < items.length; from += CHUNK) {
      const calls = items.slice(from, from + CHUNK);
      for (const tree of joinRequests({ requests: [], calls, waits: [] }, isRoot)) {
        sample.push({ tree, weight: offered / items.length });
        usual.add(tree);
      }
      await pause();
    }
  }
  const requests = joinRequests(records, isRoot)
    .filter((tree) => isAskedFor(tree, query))
    .sort(query.kept === "slow" ? (a, b) => b.latencyMs - a.latencyMs : newestFirst)
    .slice(0, query.limit)
    .map((tree) => toReported(tree, usual, nameOf));
  await pause();
  const deployment = query.deployment ?? mostFrequentCause(requests);
  const estimate =
    deployment === undefined ? undefined : new WhatIfEstimate(deployment, replicasOf(deployment));
  for (const [index, { tree, weight }] of sample.entries()) {
    estimate?.add(tree, weight);
    if (index % CHUNK === CHUNK - 1) await pause();
  }
  return { query, requests, sample: summaryOf(sample), whatIf: estimate?.result(), silent: records.silent };
}

interface WeightedTree {
  readonly tree: RequestTree;
  readonly weight: number;
}

const newestFirst = (a: RequestTree, b: RequestTree): number => b.startedAtEpochMs - a.startedAtEpochMs;

function isAskedFor({ requestId, outcome }: RequestTree, { id, kept }: RequestsQuery): boolean {
  if (id !== undefined) return requestId === id;
  return kept === "slow" ? outcome !== "refused" : outcome === kept;
}

function toReported(tree: RequestTree, usual: UsualTimes, nameOf: ExecutorNames): ReportedRequest {
  return {
    tree,
    cause: causeOf(tree, usual),
    path: criticalPath(tree.root),
    line: describeRequest(tree, usual, nameOf),
  };
}

/** Only a deployment with others beside it can be done without or given another replica to some use. */
function mostFrequentCause(requests: readonly ReportedRequest[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { tree, cause } of requests) {
    if (cause === undefined || !hasCompany(tree.root, cause.name)) continue;
    counts.set(cause.name, (counts.get(cause.name) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

function summaryOf(sample: readonly WeightedTree[]): RequestsReport["sample"] {
  const values = sample.map(({ tree: { latencyMs }, weight }) => ({ value: latencyMs, weight }));
  const of = Math.round(sample.reduce((sum, { weight }) => sum + weight, 0));
  const quantile = (fraction: number) => (values.length === 0 ? 0 : weightedQuantile(values, fraction));
  return { sampled: values.length, of, p50Ms: quantile(0.5), p95Ms: quantile(0.95) };
}

/** For terminals: remarks begin with `#`, every other line is one request. Of a single request, its whole tree. */
export function reportText(report: RequestsReport, nameOf: ExecutorNames): string {
  const { requests, query } = report;
  const lines = remarks(report);
  if (query.id === undefined) lines.push(...requests.map(({ line }) => line));
  else {
    for (const { line, tree } of requests) {
      lines.push(line, `  critical path: ${describePath(tree.root)}`);
      lines.push(...describeTree(tree, nameOf).map((text) => `  ${text}`));
    }
  }
  return `${lines.join("\n")}\n`;
}

function remarks({ query, requests, sample, whatIf: change, silent }: RequestsReport): string[] {
  const lines: string[] = [];
  const { kept, id } = query;
  if (requests.length === 0) {
    lines.push(id === undefined ? `# no ${kept} requests are recorded` : `# no request ${id} is recorded`);
  }
  if (sample.sampled > 0 && id === undefined) {
    const count = `${sample.sampled} of ${sample.of.toLocaleString("en-US")} requests`;
    lines.push(
      `# ${count} sampled: p50 ${formatMs(sample.p50Ms)}, p95 ${formatMs(sample.p95Ms)} in the application`,
    );
  }
  if (change !== undefined) {
    const { deployment, replicas, p95Ms, withoutP95Ms, withReplicaP95Ms } = change;
    lines.push(
      `# what if: p95 ${formatMs(p95Ms)}; without ${deployment} ${formatMs(withoutP95Ms)}; ` +
        `with ${replicas + 1} replicas of it in place of ${replicas} ${formatMs(withReplicaP95Ms)}`,
    );
  }
  if (silent.length > 0) lines.push(`# no answer from ${silent.join(", ")}: what they recorded is missing`);
  return lines;
}
