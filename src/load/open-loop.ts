import { HttpConnection } from "./http-connection.ts";
import { PreciseTicker } from "./precise-ticker.ts";
import type { LoadEvents, RequestSource, Target } from "./request-source.ts";

export interface OpenLoopOptions {
  readonly target: Target;
  /** Milliseconds from the start, ascending. */
  readonly schedule: Float64Array;
  /** Upper bound; connections are opened as they are needed. */
  readonly maxConnections: number;
  /**
   * Which idle connection is used next. `oldest` (the default) spreads load over all of them; `latest`, as nginx keeps connections to
   * what is behind it, has no more in use than are needed: thousands that take turns are in nobody's cache.
   */
  readonly reuse?: "oldest" | "latest" | undefined;
  /** Arrivals within it may be sent together, the first of them so much late. Default `PreciseTicker`'s. */
  readonly grainMs?: number | undefined;
  readonly source: RequestSource;
  readonly events: LoadEvents & {
    /** It is written, so much later than intended. */
    sent(lagMs: number, intendedMs: number): void;
  };
}

/** New connections are opened up to this number before idle ones are used again: the load reaches all processes. */
const SPREAD_CONNECTIONS = 16;
/** A queue this old means that the rate cannot be carried; waiting longer would only prove it again. */
const HOPELESS_MS = 5_000;
const LOOK_EVERY_MS = 100;
/** The ticker's thread needs a moment to start. */
const START_MS = 100;
const START_NS = BigInt(START_MS) * 1_000_000n;

interface Arrival {
  readonly key: number;
  readonly intendedMs: number;
}

/**
 * Requests at times that are fixed in advance, whatever the system does. A latency is counted from the time at which the
 * request was *meant* to be sent, so waiting for a free connection (or for the generator) is part of it.
 */
export class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #base = process.hrtime.bigint() + START_NS;
  /** The same moment on the clock that costs a tenth of that to read. */
  readonly #baseMs = performance.now() + START_MS;
  readonly #ticker: PreciseTicker;
  readonly #watch: NodeJS.Timeout;
  readonly #idle: Client[] = [];
  readonly #clients: Client[] = [];
  readonly #waiting: Arrival[] = [];
  readonly #allEnded = Promise.withResolvers<void>();
  readonly #hopeless = Promise.withResolvers<void>();
  #waitingHead = 0;
  #nextArrival = 0;
  #outstanding = 0;
  #isOverloaded = false;

  /** Begins. */
  constructor(options: OpenLoopOptions) {
    this.#options = options;
    this.#ticker = new PreciseTicker(options.schedule, this.#base, () => this.#sendDue(), options.grainMs);
    this.#watch = setInterval(() => this.#lookAtQueue(), LOOK_EVERY_MS);
  }

  /** Since the time that the schedule counts from. */
  get elapsedMs(): number {
    return performance.now() - this.#baseMs;
  }

  /** Sent, or waiting for a connection, and not ended. */
  get outstanding(): number {
    return this.#outstanding;
  }

  get isOverloaded(): boolean {
    return this.#isOverloaded;
  }

  /** Resolves when all that was to be sent has ended. */
  get allEnded(): Promise<void> {
    return this.#allEnded.promise;
  }

  /** Resolves when what waits for a connection has waited for so long that the rate cannot be carried. */
  get hopeless(): Promise<void> {
    return this.#hopeless.promise;
  }

  /** Sends nothing more; of what is out nothing is told any more. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    await this.#ticker.close();
    for (const client of this.#clients) client.close();
  }

  #sendDue(): void {
    const { schedule, source } = this.#options;
    for (;;) {
      const intendedMs = schedule[this.#nextArrival];
      if (intendedMs === undefined || intendedMs > this.elapsedMs) break;
      this.#nextArrival += 1;
      this.#arrive({ key: source.next(), intendedMs });
    }
    this.#settle();
  }

  #arrive(arrival: Arrival): void {
    this.#outstanding += 1;
    const client = this.#free();
    if (client === undefined) this.#waiting.push(arrival);
    else this.#send(client, arrival);
  }

  #free(): Client | undefined {
    const { length } = this.#clients;
    const mayOpen = length < this.#options.maxConnections;
    if (mayOpen && length < SPREAD_CONNECTIONS) return this.#open();
    const idle = this.#options.reuse === "latest" ? this.#idle.pop() : this.#idle.shift();
    return idle ?? (mayOpen ? this.#open() : undefined);
  }

  #open(): Client {
    const client = new Client(this.#options.target, this.#options.events, {
      elapsedMs: () => this.elapsedMs,
      freed: (freed) => this.#freed(freed),
    });
    this.#clients.push(client);
    return client;
  }

  #send(client: Client, arrival: Arrival): void {
    const { source, events } = this.#options;
    events.sent(this.elapsedMs - arrival.intendedMs, arrival.intendedMs);
    client.send(arrival, source.request(arrival.key));
  }

  #freed(client: Client): void {
    this.#outstanding -= 1;
    const queued = this.#waiting[this.#waitingHead];
    if (queued === undefined) this.#idle.push(client);
    else {
      this.#waitingHead += 1;
      this.#send(client, queued);
    }
    this.#settle();
  }

  #settle(): void {
    if (this.#nextArrival === this.#options.schedule.length && this.#outstanding === 0)
      this.#allEnded.resolve();
  }

  #lookAtQueue(): void {
    const oldest = this.#waiting[this.#waitingHead];
    if (oldest === undefined || this.elapsedMs - oldest.intendedMs <= HOPELESS_MS) return;
    this.#isOverloaded = true;
    this.#hopeless.resolve();
  }
}

interface ClientOwner {
  elapsedMs(): number;
  freed(client: Client): void;
}

/** One connection and the request that is on it. */
class Client {
  readonly #connection: HttpConnection;
  #arrival: Arrival | undefined;

  constructor({ host, port }: Target, events: LoadEvents, owner: ClientOwner) {
    this.#connection = new HttpConnection(host, port, {
      answered: (response) => {
        const arrival = this.#free();
        if (arrival !== undefined) {
          const { key, intendedMs } = arrival;
          events.answered(key, response, owner.elapsedMs() - intendedMs, intendedMs);
        }
        owner.freed(this);
      },
      failed: (reason) => {
        const arrival = this.#free();
        if (arrival !== undefined) events.failed(arrival.key, reason, arrival.intendedMs);
        owner.freed(this);
      },
      resent: () => events.resent(),
      opened: () => events.opened(),
    });
  }

  send(arrival: Arrival, request: Buffer): void {
    this.#arrival = arrival;
    this.#connection.send(request);
  }

  close(): void {
    this.#connection.close();
  }

  #free(): Arrival | undefined {
    const arrival = this.#arrival;
    this.#arrival = undefined;
    return arrival;
  }
}
