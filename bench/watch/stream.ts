import { LatencyHistogram, LONGEST_MS } from "../../src/load/latency-histogram.ts";
import { OpenLoop } from "../../src/load/open-loop.ts";
import type { RequestSource, Target } from "../../src/load/request-source.ts";
import type { HttpResponse } from "../../src/load/response-parser.ts";
import type { WatchVisit } from "../schema.ts";
import type { Judge, Judgement, Served } from "./judge.ts";

/** A change on the disk, and whether an answer has shown it. */
interface Change {
  readonly before: Served;
  readonly after: Served;
  readonly writtenAtMs: number;
  readonly shown: PromiseWithResolvers<number>;
  /** When the first answer came that shows it. */
  shownAtMs: number | undefined;
}

const FAILURES_KEPT = 5;
const MAX_CONNECTIONS = 64;

/**
 * A light stream of requests, one every so many milliseconds, each answer judged. It tells when a change is seen first; an answer
 * of what was before to a request that was sent after that is wrong.
 */
export class Stream {
  readonly #judge: Judge;
  readonly #loop: OpenLoop;
  /** Of the loop's zero, on this process's clock. */
  readonly #baseMs: number;
  #latency = new LatencyHistogram();
  #counts = { requests: 0, failed: 0, wrong: 0 };
  #failures: string[] = [];
  #change: Change;

  /** Begins. @param forMs longer than it is needed; `close` ends it. */
  constructor(options: {
    readonly target: Target;
    readonly source: RequestSource;
    readonly everyMs: number;
    readonly forMs: number;
    readonly judge: Judge;
    readonly serving: Served;
  }) {
    const { target, source, everyMs, forMs, judge, serving } = options;
    this.#judge = judge;
    const shown = Promise.withResolvers<number>();
    this.#change = { before: serving, after: serving, writtenAtMs: 0, shown, shownAtMs: undefined };
    this.#loop = new OpenLoop({
      target,
      schedule: Float64Array.from({ length: Math.ceil(forMs / everyMs) }, (_, i) => i * everyMs),
      maxConnections: MAX_CONNECTIONS,
      source,
      events: {
        answered: (player, response, latencyMs, intendedMs) =>
          this.#answered(player, response, latencyMs, intendedMs),
        failed: (_, reason) => this.#count({ kind: "failed", reason }, LONGEST_MS),
        sent: () => {},
        resent: () => {},
        opened: () => {},
      },
    });
    this.#baseMs = performance.now() - this.#loop.elapsedMs;
  }

  /**
   * Does a change and waits until it is seen.
   *
   * @returns milliseconds from before the writing to the first answer that shows it.
   * @throws when none does within that time.
   */
  async changed(after: Served, write: () => void, withinMs: number): Promise<number> {
    const shown = Promise.withResolvers<number>();
    const before = this.#change.after;
    // Counted from before the writing: in it, too, whoever has changed something waits.
    this.#change = { before, after, writtenAtMs: performance.now(), shown, shownAtMs: undefined };
    write();
    const timer = setTimeout(
      () => shown.reject(new Error(`the change to ${JSON.stringify(after)} was not seen in ${withinMs} ms`)),
      withinMs,
    );
    try {
      return await shown.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Since the last time it was asked. */
  take(): WatchVisit["steady"] {
    const taken = { ...this.#counts, latency: this.#latency.summary(), failures: this.#failures };
    this.#latency = new LatencyHistogram();
    this.#counts = { requests: 0, failed: 0, wrong: 0 };
    this.#failures = [];
    return taken;
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  #answered(player: number, response: HttpResponse, latencyMs: number, intendedMs: number): void {
    const change = this.#change;
    const judgement = this.#judge.judge(player, response, change.before, change.after);
    const sentAtMs = this.#baseMs + intendedMs;
    const { shownAtMs } = change;
    if (judgement.kind === "before" && shownAtMs !== undefined && sentAtMs > shownAtMs) {
      const reason = "an answer of what was before, to a request sent after the change was seen";
      return this.#count({ kind: "wrong", reason }, latencyMs);
    }
    if (judgement.kind === "after" && shownAtMs === undefined) {
      change.shownAtMs = performance.now();
      change.shown.resolve(change.shownAtMs - change.writtenAtMs);
    }
    this.#count(judgement, judgement.kind === "failed" ? LONGEST_MS : latencyMs);
  }

  #count(judgement: Judgement, latencyMs: number): void {
    this.#counts.requests += 1;
    this.#latency.record(latencyMs);
    if (judgement.kind !== "wrong" && judgement.kind !== "failed") return;
    this.#counts[judgement.kind] += 1;
    if (this.#failures.length < FAILURES_KEPT) this.#failures.push(judgement.reason);
  }
}
