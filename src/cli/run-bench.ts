import { setTimeout as sleep } from "node:timers/promises";
import { TuttiError } from "../errors/tutti-error.ts";
import { askOnce } from "../load/ask-once.ts";
import { requestBytes } from "../load/http-request.ts";
import type { Target } from "../load/request-source.ts";
import { RequestsInTurn } from "../load/requests-in-turn.ts";
import { type LoadShape, runLoad } from "../load/run-load.ts";
import { askCauses, type LoadTimes, listensOn, type MainCause } from "./bench-causes.ts";
import { type RequestFlags, readRequests } from "./bench-requests.ts";
import { type BenchResult, describeBench } from "./describe-bench.ts";
import { EXIT } from "./exit-codes.ts";
import { type NodeAddress, UnreachableError } from "./node-client.ts";
import { paint } from "./paint.ts";
import { say } from "./say.ts";

export interface BenchPlan extends RequestFlags {
  /** Of the application; its path is asked unless the requests say otherwise. */
  readonly url: URL;
  readonly shape: LoadShape;
  readonly warmUpMs: number;
  readonly windowMs: number;
  readonly json: boolean;
  /** Where a flight recorder may be. */
  readonly admin: NodeAddress | undefined;
  /** It is known to be that of the node that is measured. */
  readonly isAdminSure: boolean;
  readonly signal: AbortSignal;
}

/** How long the first request may take: something may have to be loaded for it. */
const FIRST_ANSWER_MS = 30_000;
const DRAIN_MS = 5000;
/** Of the last requests, executors tell when they are asked; the edge's own notes of them come a moment later. */
const RECORDS_MS = 100;
const SHOWN_BODY = 300;

/** @throws UnreachableError, or TuttiError when there is nothing to measure. */
export async function runBench(plan: BenchPlan): Promise<number> {
  const { url, shape } = plan;
  const target: Target = {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port === "" ? 80 : url.port),
  };
  const requests = readRequests(plan, `${url.pathname}${url.search}`);
  const source = new RequestsInTurn(requests, target);
  const [first] = requests;
  if (first !== undefined) await tryOut(requestBytes(first, target), target, plan);
  const load = loadOf(shape);
  const what =
    requests.length === 1 ? `${first?.method} ${first?.path}` : `${requests.length} requests in turn`;
  say(
    `${what} at ${url.origin}: ${load} for ${plan.windowMs / 1000} s, after ${plan.warmUpMs / 1000} s of warm-up …`,
  );
  const startedAtEpochMs = Date.now();
  let windowAtEpochMs = startedAtEpochMs;
  const showsProgress = process.stderr.isTTY === true;
  const run = await runLoad({
    ...plan,
    target,
    source,
    deadlineMs: plan.deadlineMs,
    drainMs: Math.max(DRAIN_MS, (plan.deadlineMs ?? 0) + 1000),
    onWindow: () => {
      windowAtEpochMs = Date.now();
    },
    onProgress: ({ elapsedMs, ok, failed }) => {
      if (showsProgress)
        process.stderr.write(`\r\x1b[K${Math.round(elapsedMs / 1000)} s: ${ok} ok, ${failed} failed`);
    },
  });
  if (showsProgress) process.stderr.write("\r\x1b[K");
  const causes = await causesOf(plan, target, { startedAtEpochMs, windowAtEpochMs });
  const result: BenchResult = { target: url.href, load, ...run, causes };
  process.stdout.write(
    plan.json
      ? `${JSON.stringify(toJson(result, plan, requests.length), undefined, 2)}\n`
      : describeBench(result, paint),
  );
  return run.ended === "complete" && run.report.ok > 0 ? EXIT.ok : EXIT.failed;
}

/** Before the load: what answers the first request with an error would be measured for nothing. */
async function tryOut(request: Buffer, target: Target, { url, signal }: BenchPlan): Promise<void> {
  const answer = await askOnce(target, request, { timeoutMs: FIRST_ANSWER_MS, signal });
  if (typeof answer === "string")
    throw new UnreachableError(`nothing answers at ${url.origin} (${answer}): there is nothing to measure`);
  if (answer.status < 400) return;
  throw new TuttiError(
    "ApplicationError",
    `the first request was answered with ${answer.status}, so nothing is measured: ${answer.body.slice(0, SHOWN_BODY)}`,
  );
}

/** The node may have none, or be another's: then what was measured is told without. */
async function causesOf(
  { admin, isAdminSure }: BenchPlan,
  { port }: Target,
  times: LoadTimes,
): Promise<readonly MainCause[] | undefined> {
  if (admin === undefined) return undefined;
  await sleep(RECORDS_MS);
  try {
    return isAdminSure || (await listensOn(admin, port)) ? await askCauses(admin, times) : undefined;
  } catch (thrown) {
    if (isAdminSure)
      say(`the flight recorder cannot be asked: ${thrown instanceof Error ? thrown.message : thrown}`);
    return undefined;
  }
}

const loadOf = (shape: LoadShape): string =>
  shape.kind === "open" ? `${shape.ratePerSecond} requests/s` : `${shape.connections} connections`;

/** The fields are those of `docs/reference/command-line.md`. */
function toJson(
  { target, ended, report, causes }: BenchResult,
  { shape, deadlineMs }: BenchPlan,
  requests: number,
) {
  return {
    target,
    load: shape,
    deadlineMs: deadlineMs ?? null,
    differentRequests: requests,
    ended,
    ...report,
    causes: causes ?? null,
  };
}
