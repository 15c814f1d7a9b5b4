import { monitorEventLoopDelay } from "node:perf_hooks";
import { Replay } from "../bench/load/replay.ts";
import { elapsedMs } from "../src/load/elapsed.ts";
import { HttpConnection } from "../src/load/http-connection.ts";
import { poissonSchedule } from "../src/load/poisson-schedule.ts";
import { PreciseTicker } from "../src/load/precise-ticker.ts";
import type { Reference } from "./reference.ts";
import { judgeAnswer, type Verdict } from "./verdict.ts";

/** One request and what became of it. */
export interface Ended {
  /** When it was meant to be sent, on the scale of `performance.now()`. */
  readonly sentAtMs: number;
  /** From then to its answer. */
  readonly latencyMs: number;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly verdict: Verdict;
}

export interface LoadOptions {
  readonly port: number;
  readonly ratePerSecond: number;
  readonly seed: number;
  readonly reference: Reference;
}

/** The path asks for what each member said, so that partial answers can be checked too. */
export const OFFER_PATH = "/offers/tower?explain=1";

const LONGEST_MS = 300_000;
const MAX_CONNECTIONS = 2048;
/** The route's deadline is 1.5 s: what has no answer by then has none. */
const DRAIN_MS = 5000;

/**
 * Requests at the times of a Poisson process, whatever becomes of those before them; each answer is judged and kept.
 * What the benchmarks' generator is made of, kept request by request instead of as sums.
 */
export class Load {
  readonly ended: Ended[] = [];
  readonly #options: LoadOptions;
  readonly #replay: Replay;
  readonly #schedule: Float64Array;
  /** The ticker's thread needs a moment to start. */
  readonly #base = process.hrtime.bigint() + 50_000_000n;
  readonly #baseMs = performance.now() + 50;
  readonly #ticker: PreciseTicker;
  readonly #idle: Client[] = [];
  readonly #busy = new Set<Client>();
  readonly #lag = monitorEventLoopDelay({ resolution: 5 });
  #next = 0;
  #stopped = false;

  constructor(options: LoadOptions) {
    const { port, ratePerSecond, seed, reference } = options;
    this.#options = options;
    this.#replay = new Replay({
      playerIds: reference.playerIds,
      host: "127.0.0.1",
      port,
      path: OFFER_PATH,
      seed,
    });
    this.#schedule = poissonSchedule({ ratePerSecond, durationMs: LONGEST_MS, seed });
    this.#lag.enable();
    this.#ticker = new PreciseTicker(this.#schedule, this.#base, () => this.#sendDue());
  }

  get sent(): number {
    return this.#next;
  }

  /** The longest that this process was kept from running: others had the processor, and not for Tutti's sake alone. */
  get worstLagMs(): number {
    return this.#lag.max / 1e6;
  }

  /** Sends nothing more; resolves when every request has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ticker.close();
    const untilMs = performance.now() + DRAIN_MS;
    while (this.#busy.size > 0 && performance.now() < untilMs)
      await new Promise((resolve) => setTimeout(resolve, 5));
    this.#lag.disable();
    for (const client of this.#busy) client.giveUp();
    for (const client of this.#idle) client.close();
  }

  #sendDue(): void {
    if (this.#stopped) return;
    for (;;) {
      const intendedMs = this.#schedule[this.#next];
      if (intendedMs === undefined || intendedMs > elapsedMs(this.#base)) return;
      this.#next += 1;
      this.#send(this.#replay.next(), this.#baseMs + intendedMs);
    }
  }

  #send(player: number, sentAtMs: number): void {
    const end = (status: number, verdict: Verdict) =>
      this.ended.push({ sentAtMs, latencyMs: performance.now() - sentAtMs, status, verdict });
    const client = this.#idle.pop() ?? this.#open();
    if (client === undefined) {
      end(0, { kind: "failed", reason: `more than ${MAX_CONNECTIONS} requests are out` });
      return;
    }
    this.#busy.add(client);
    client.send(this.#replay.request(player), (outcome) => {
      this.#busy.delete(client);
      this.#idle.push(client);
      if (typeof outcome === "string") end(0, { kind: "failed", reason: outcome });
      else end(outcome.status, judgeAnswer(outcome, player, this.#options.reference));
    });
  }

  #open(): Client | undefined {
    return this.#busy.size < MAX_CONNECTIONS ? new Client(this.#options.port) : undefined;
  }
}

type Outcome = Parameters<ConstructorParameters<typeof HttpConnection>[2]["answered"]>[0] | string;

/** One connection and the request that is on it. */
class Client {
  readonly #connection: HttpConnection;
  #onEnd: ((outcome: Outcome) => void) | undefined;

  constructor(port: number) {
    this.#connection = new HttpConnection("127.0.0.1", port, {
      answered: (response) => this.#end(response),
      failed: (reason) => this.#end(reason),
      resent: () => {},
      opened: () => {},
    });
  }

  send(request: Buffer, onEnd: (outcome: Outcome) => void): void {
    this.#onEnd = onEnd;
    this.#connection.send(request);
  }

  giveUp(): void {
    this.#end("no answer");
    this.close();
  }

  close(): void {
    this.#connection.close();
  }

  #end(outcome: Outcome): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.(outcome);
  }
}
