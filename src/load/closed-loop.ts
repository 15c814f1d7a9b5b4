import { elapsedMs } from "./elapsed.ts";
import { HttpConnection } from "./http-connection.ts";
import type { LoadEvents, RequestSource, Target } from "./request-source.ts";

export interface ClosedLoopOptions {
  readonly target: Target;
  readonly connections: number;
  readonly source: RequestSource;
  readonly events: LoadEvents;
}

const PAUSE_AFTER_FAILURE_MS = 20;

/**
 * A fixed number of clients, each of which asks again as soon as it has its answer. Measures what a system can carry,
 * not how it feels: a slow answer delays the next question.
 */
export class ClosedLoop {
  readonly #options: ClosedLoopOptions;
  readonly #base = process.hrtime.bigint();
  readonly #clients: HttpConnection[] = [];
  readonly #allEnded = Promise.withResolvers<void>();
  #isStopped = false;
  #outstanding = 0;

  /** Begins. */
  constructor(options: ClosedLoopOptions) {
    this.#options = options;
    for (let n = 0; n < options.connections; n += 1) this.#startClient();
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /** After `stop`: resolves when all that was asked has ended. */
  get allEnded(): Promise<void> {
    return this.#allEnded.promise;
  }

  /** Nobody asks again. */
  stop(): void {
    this.#isStopped = true;
    if (this.#outstanding === 0) this.#allEnded.resolve();
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #startClient(): void {
    const { target, source, events } = this.#options;
    let key = 0;
    let sentAtMs = 0;
    const ask = (): void => {
      if (this.#isStopped) return;
      key = source.next();
      sentAtMs = elapsedMs(this.#base);
      this.#outstanding += 1;
      connection.send(source.request(key));
    };
    const ended = (): void => {
      this.#outstanding -= 1;
      if (this.#isStopped && this.#outstanding === 0) this.#allEnded.resolve();
    };
    const connection = new HttpConnection(target.host, target.port, {
      answered: (response) => {
        events.answered(key, response, elapsedMs(this.#base) - sentAtMs, sentAtMs);
        ended();
        // A client that was refused does not ask again at once, or refusing would be all that is measured.
        if (response.status === 503) setTimeout(ask, PAUSE_AFTER_FAILURE_MS);
        else ask();
      },
      failed: (reason) => {
        events.failed(key, reason, sentAtMs);
        ended();
        setTimeout(ask, PAUSE_AFTER_FAILURE_MS);
      },
      resent: () => events.resent(),
      opened: () => events.opened(),
    });
    this.#clients.push(connection);
    ask();
  }
}
