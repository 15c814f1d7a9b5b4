import { type Clock, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Peer } from "../wire/peer.ts";
import type { ExecutorStatus } from "./control-messages.ts";
import { CONTROL_TARGET, type ControlAnswers, type ControlRequest } from "./control-messages.ts";
import type { WatchedExecutor } from "./heartbeat.ts";

export type ExecutorState =
  | { readonly kind: "starting" }
  | { readonly kind: "ready"; readonly peer: Peer }
  | { readonly kind: "ended"; readonly reason: string };

export interface ManagedExecutorOptions {
  readonly id: string;
  /** Where it listens for other executors. */
  readonly socketPath: string;
  /** One that has not said hello by then is killed. */
  readonly startTimeoutMs: number;
  readonly onEnded: (executor: ManagedExecutor, reason: string) => void;
  /** Default the system's. */
  readonly clock?: Clock;
}

const EXIT_GRACE_MS = 50;
/** An executor may well be silent while it does one of them. */
const LONG_ORDERS: ReadonlySet<ControlRequest["type"]> = new Set(["import", "hash", "host"]);

/**
 * The node's side of one executor: its control connection, from start to end. What runs at the other end of it, a
 * process of its own or a simulated one, is a subclass's.
 *
 * - **X1** It ends once, whatever ends first: what runs it, the connection, or a kill; `onEnded` says why.
 * - **X2** Nothing of it runs on: ending kills; the node's own end is what the `Reaper` is for.
 */
export abstract class ManagedExecutor implements WatchedExecutor {
  readonly id: string;
  readonly socketPath: string;
  abstract readonly pid: number | undefined;
  /** Resolves when nothing of it is left. */
  abstract readonly exited: Promise<void>;
  readonly #options: ManagedExecutorOptions;
  readonly #clock: Clock;
  readonly #ready = Promise.withResolvers<void>();
  readonly #endedBecause = Promise.withResolvers<string>();
  readonly #cancelStartTimer: () => void;
  #state: ExecutorState = { kind: "starting" };
  #killReason: string | undefined;
  /** What it last said of itself. */
  status: ExecutorStatus | undefined;
  /** Orders that may block its thread for long (loading, importing) are out. */
  #longOrders = 0;

  constructor(options: ManagedExecutorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.id = options.id;
    this.socketPath = options.socketPath;
    this.#ready.promise.catch(() => {});
    this.#cancelStartTimer = this.#clock.after(options.startTimeoutMs, () =>
      this.kill(`it did not report within ${options.startTimeoutMs} ms of its start`),
    );
  }

  /** Ends what runs it, at once and for good; may be asked more than once. */
  protected abstract stop(): void;

  /** Where there are no priorities there is nothing to do. */
  bringToFront(_computes: boolean): void {}

  putInBackground(): void {}

  get state(): ExecutorState {
    return this.#state;
  }

  get hasEnded(): boolean {
    return this.#state.kind === "ended";
  }

  /** True while it may well not answer for a while. */
  get isBusyLoading(): boolean {
    return this.#longOrders > 0;
  }

  /** Resolves with its hello; rejects with `StartFailed` when it ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Its hello has come over this connection. */
  attach(peer: Peer): void {
    if (this.#state.kind !== "starting") return peer.close();
    this.#cancelStartTimer();
    this.#state = { kind: "ready", peer };
    this.#ready.resolve();
  }

  /**
   * The connection is gone: without it the executor is of no use. A process that ends by itself also closes its
   * connection, a moment before its exit is known; the exit says why, so it gets that moment.
   */
  detached(): void {
    if (this.#state.kind !== "ready") return;
    this.stop();
    this.#clock.afterInBackground(EXIT_GRACE_MS, () => this.kill("its connection ended"));
  }

  kill(reason: string): void {
    this.#killReason ??= reason;
    this.stop();
    this.end(reason);
  }

  /** @throws TuttiError what the executor answered, `DeadlineExceeded`, or `PeerClosed` when it ended. */
  order<R extends ControlRequest>(request: R, timeoutMs: number): Promise<ControlAnswers[R["type"]]> {
    const state = this.#state;
    if (state.kind !== "ready") {
      const why = state.kind === "ended" ? `it has ended: ${state.reason}` : "it is still starting";
      return Promise.reject(new TuttiError("PeerClosed", `executor ${this.id}: ${why}`, { started: "no" }));
    }
    const isLong = LONG_ORDERS.has(request.type);
    if (isLong) this.#longOrders += 1;
    return new Promise((resolve, reject) => {
      state.peer.call({
        target: CONTROL_TARGET,
        method: request.type,
        args: [request],
        requestId: `control-${this.id}`,
        deadlineAtMs: this.#clock.now() + timeoutMs,
        priority: 0,
        lean: false,
        idempotent: false,
        onEnd: (outcome) => {
          if (isLong) this.#longOrders -= 1;
          // The answer's type follows from the request's: both are fixed in `ControlAnswers`.
          if (outcome.ok) resolve(outcome.value as ControlAnswers[R["type"]]);
          else void this.#explain(outcome.error, request.type, timeoutMs).then(reject);
        },
      });
    });
  }

  /** What the connection says of its own end, or of time, tells nobody what to do. */
  async #explain(error: TuttiError, order: string, timeoutMs: number): Promise<TuttiError> {
    const { code, started } = error;
    if (code === "PeerClosed") {
      return new TuttiError(code, `executor ${this.id} ended: ${await this.#endedBecause.promise}`, {
        started,
      });
    }
    if (code !== "DeadlineExceeded") return error;
    return new TuttiError(code, `executor ${this.id} did not finish "${order}" within ${timeoutMs} ms`, {
      started,
    });
  }

  /** X1. @param seen what was seen of its end; a kill that came before says more. */
  protected end(seen: string): void {
    if (this.#state.kind === "ended") return;
    const reason = this.#killReason ?? seen;
    const { kind } = this.#state;
    if (this.#state.kind === "ready") this.#state.peer.close();
    this.#state = { kind: "ended", reason };
    this.#endedBecause.resolve(reason);
    this.#cancelStartTimer();
    if (kind === "starting") {
      this.#ready.reject(new TuttiError("StartFailed", `executor ${this.id}: ${reason}`, { started: "no" }));
    }
    this.stop();
    this.#options.onEnded(this, reason);
  }
}
