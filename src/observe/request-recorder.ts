import type { TuttiError } from "../errors/tutti-error.ts";
import { type Kept, RecordBook } from "./record-book.ts";
import type { Outcome, RecordedRequest } from "./recorded-call.ts";

/** A request that the edge has answered or given up. */
export interface EndedRequest {
  readonly requestId: string;
  readonly application: string;
  /** As declared: one of a bounded number. */
  readonly route: string;
  /** On the process's clock. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** When its application was called; as `endedAtMs` when it was not. */
  readonly calledAtMs: number;
  readonly status: number;
  readonly degraded: boolean;
  /** What went wrong; a fallback has one too. */
  readonly error: TuttiError | undefined;
}

/** What a node's edge keeps of its requests. */
export class RequestRecorder {
  readonly #books = new Map<string, RecordBook<RecordedRequest>>();
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  note(ended: EndedRequest): void {
    const { endedAtMs: nowMs } = ended;
    const latencyMs = nowMs - ended.startedAtMs;
    const outcome = outcomeOf(ended);
    const book = this.#bookOf(ended.route);
    const reasons = book.choose(latencyMs, outcome, nowMs);
    if (reasons !== 0) book.add(reasons, toRecord(ended, latencyMs, outcome), latencyMs, outcome, nowMs);
  }

  kept(kept: Kept, nowMs: number): RecordedRequest[] {
    return [...this.#books.values()].flatMap((book) => book.kept(kept, nowMs));
  }

  #bookOf(route: string): RecordBook<RecordedRequest> {
    let book = this.#books.get(route);
    if (book === undefined) {
      book = new RecordBook(this.#random);
      this.#books.set(route, book);
    }
    return book;
  }
}

function toRecord(ended: EndedRequest, latencyMs: number, outcome: Outcome): RecordedRequest {
  const { requestId, application, route, startedAtMs, calledAtMs, status, degraded, error } = ended;
  return {
    requestId,
    application,
    route,
    startedAtEpochMs: performance.timeOrigin + startedAtMs,
    latencyMs,
    readMs: calledAtMs - startedAtMs,
    outcome,
    status,
    code: error?.code,
    fallback: degraded && error !== undefined,
  };
}

/** The client's own mistake (4xx) is no failure of ours; that it went away (499) may well be. */
function outcomeOf({ status, degraded, error }: EndedRequest): Outcome {
  if (degraded) return "degraded";
  if (status < 499) return "ok";
  return error?.code === "Overloaded" || error?.code === "Draining" ? "refused" : "failed";
}
