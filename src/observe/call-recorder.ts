import type { TuttiError } from "../errors/tutti-error.ts";
import type { Stratum } from "../policy/uniform-sample.ts";
import type { CallGroup, CallSpan } from "./call-group.ts";
import { LatencyCounts } from "./latency-counts.ts";
import type { MethodCounts } from "./node-metrics.ts";
import { KEPT, RecordBook } from "./record-book.ts";
import type { NamedStage, Outcome, RecordedCall } from "./recorded-call.ts";

/** A call that was served, while it is still at hand. */
export interface EndedCall {
  readonly requestId: string;
  readonly replica: string;
  readonly application: string;
  readonly applicationVersion: string;
  readonly degraded: boolean;
  /** When its work began, on the process's clock. */
  readonly startedAtMs: number;
  readonly groups: readonly CallGroup[];
  /** On the process's clock, unlike what is kept of them. */
  readonly namedStages: readonly NamedStage[];
}

/** Beyond so many methods, calls of further ones share their books. */
const MAX_BOOKS = 64;
/**
 * More than the edge keeps: which requests are the slowest is for the edge to say, whose clock sees all of each, and the
 * calls of those should be here.
 */
const SLOWEST_PER_MINUTE = 32;

/** What one process keeps of the calls that its classes served. */
export class CallRecorder {
  readonly #books = new Map<string, MethodBook>();
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /**
   * For whoever serves a method; kept by it, so that no call has to look for it.
   *
   * @param isRoot its calls come from outside. Of others, those that called nobody are not kept: their caller knows as
   *   much of them.
   */
  bookFor(deployment: string, method: string, isRoot: boolean): CallBook {
    const key = this.#books.size < MAX_BOOKS ? `${deployment}.${method}` : "";
    let book = this.#books.get(key);
    if (book === undefined) {
      book = {
        deployment: key === "" ? "" : deployment,
        method: key === "" ? "" : method,
        records: new RecordBook(this.#random, SLOWEST_PER_MINUTE),
        latency: new LatencyCounts(),
        ok: 0,
        failed: 0,
      };
      this.#books.set(key, book);
    }
    return new CallBook(deployment, method, isRoot, book);
  }

  /** Each once, whatever it was kept for. */
  kept(nowMs: number): RecordedCall[] {
    const all = new Set<RecordedCall>();
    for (const book of this.#books.values()) {
      for (const kept of KEPT) for (const call of book.records.kept(kept, nowMs)) all.add(call);
    }
    return [...all];
  }

  sample(nowMs: number): Stratum<RecordedCall>[] {
    return [...this.#books.values()].flatMap(({ records }) => records.sample(nowMs));
  }

  /** Of all calls, kept or not. */
  counts(): MethodCounts[] {
    return [...this.#books.values()].map(({ deployment, method, ok, failed, latency }) => {
      return { deployment, method, ok, failed, latency: latency.snapshot() };
    });
  }
}

/** What is kept of the calls of one method, and how many there were. */
interface MethodBook {
  /** Empty for the book that is shared. */
  readonly deployment: string;
  readonly method: string;
  readonly records: RecordBook<RecordedCall>;
  readonly latency: LatencyCounts;
  ok: number;
  failed: number;
}

export class CallBook {
  readonly #deployment: string;
  readonly #method: string;
  readonly #isRoot: boolean;
  readonly #book: MethodBook;

  constructor(deployment: string, method: string, isRoot: boolean, book: MethodBook) {
    this.#deployment = deployment;
    this.#method = method;
    this.#isRoot = isRoot;
    this.#book = book;
  }

  /** Asked at the end of every call: what is not worth keeping costs a few comparisons. */
  note(call: EndedCall, error: TuttiError | undefined, nowMs: number): void {
    const book = this.#book;
    const latencyMs = nowMs - call.startedAtMs;
    const outcome = outcomeOf(call, error);
    book.latency.count(latencyMs);
    if (outcome === "failed") book.failed += 1;
    else book.ok += 1;
    if (!this.#isRoot && call.groups.length === 0 && call.namedStages.length === 0) return;
    const reasons = book.records.choose(latencyMs, outcome, nowMs);
    if (reasons === 0) return;
    book.records.add(reasons, this.#record(call, error, latencyMs, outcome), latencyMs, outcome, nowMs);
  }

  #record(call: EndedCall, error: TuttiError | undefined, latencyMs: number, outcome: Outcome): RecordedCall {
    const { requestId, replica, application, applicationVersion, startedAtMs } = call;
    return {
      requestId,
      deployment: this.#deployment,
      method: this.#method,
      replica,
      application,
      applicationVersion,
      startedAtEpochMs: performance.timeOrigin + startedAtMs,
      latencyMs,
      outcome,
      code: error?.code,
      groups: call.groups.map(({ method, startedAtMs: fromMs, endedAtMs, calls }) => ({
        method,
        startMs: fromMs - startedAtMs,
        endMs: endedAtMs - startedAtMs,
        calls: calls.map(toSpan),
      })),
      stages: call.namedStages.map(({ name, startMs, endMs }) => ({
        name,
        startMs: Math.max(0, startMs - startedAtMs),
        endMs: endMs - startedAtMs,
      })),
    };
  }
}

/** The caller's own mistake (4xx) is no failure of ours; that it went away (499) may well be. */
function outcomeOf({ degraded }: EndedCall, error: TuttiError | undefined): Outcome {
  if (error !== undefined && error.status >= 499) return "failed";
  return degraded ? "degraded" : "ok";
}

/** Field by field: a member's report also holds its answer, which is not to be kept. */
function toSpan(span: CallSpan): CallSpan {
  const { name, status, code, latencyMs, routedMs, queueMs, laneMs, runMs, batchSize, executor, attempts } =
    span;
  const { secondAttempt, degraded = false } = span;
  return {
    name,
    status,
    code,
    latencyMs,
    routedMs,
    queueMs,
    laneMs: laneMs ?? queueMs,
    runMs,
    batchSize,
    executor,
    attempts,
    secondAttempt,
    degraded,
  };
}
