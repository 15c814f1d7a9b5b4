import { type CancelTimer, type Clock, everyInBackground, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ExecutorStatus } from "./control-messages.ts";
import type { Executor } from "./executor.ts";

export interface HeartbeatOptions {
  readonly intervalMs: number;
  /** Silence after which an executor is replaced. */
  readonly timeoutMs: number;
  /** The same while it loads models or imports a module, which block its thread. */
  readonly loadingTimeoutMs: number;
  /** Resident memory above which it is replaced. */
  readonly memoryLimitMb: number;
}

/** An executor that may be found dead. */
export interface WatchedExecutor extends Executor {
  status: ExecutorStatus | undefined;
  /** True while it may well not answer for a while. */
  readonly isBusyLoading: boolean;
}

/** A batch may take this many times what it is predicted to before its silence means something. */
const PATIENCE = 4;

/**
 * Asks one executor again and again how it is, and kills it when it is silent for too long (its event loop is blocked,
 * or the process is stopped) or has grown beyond its limit.
 */
export class Heartbeat {
  readonly #executor: WatchedExecutor;
  readonly #options: HeartbeatOptions;
  readonly #clock: Clock;
  readonly #cancelTimer: CancelTimer;
  #lastAnswerAtMs: number;
  #lastTickAtMs: number;
  #isOut = false;

  constructor(executor: WatchedExecutor, options: HeartbeatOptions, clock: Clock = systemClock) {
    this.#executor = executor;
    this.#options = options;
    this.#clock = clock;
    this.#lastAnswerAtMs = clock.now();
    this.#lastTickAtMs = clock.now();
    this.#cancelTimer = everyInBackground(clock, options.intervalMs, () => this.#tick());
  }

  close(): void {
    this.#cancelTimer();
  }

  #tick(): void {
    const nowMs = this.#clock.now();
    // If this process itself was held up, the answers may lie unread: the silence is not the executor's.
    const ownLagMs = nowMs - this.#lastTickAtMs - this.#options.intervalMs;
    this.#lastTickAtMs = nowMs;
    if (ownLagMs > this.#options.intervalMs) this.#lastAnswerAtMs += ownLagMs;
    const silentMs = nowMs - this.#lastAnswerAtMs;
    if (silentMs > this.#limitMs()) {
      this.#executor.kill(
        `it did not answer for ${Math.round(silentMs)} ms: its event loop is blocked or it is stopped`,
      );
      return;
    }
    if (!this.#isOut) void this.#ask();
  }

  #limitMs(): number {
    if (this.#executor.isBusyLoading) return this.#options.loadingTimeoutMs;
    return this.#options.timeoutMs + PATIENCE * (this.#executor.status?.longestRunMs ?? 0);
  }

  async #ask(): Promise<void> {
    this.#isOut = true;
    try {
      const status = await this.#executor.order({ type: "ping" }, this.#options.loadingTimeoutMs);
      this.#executor.status = status;
      this.#lastAnswerAtMs = this.#clock.now();
      const { memoryLimitMb } = this.#options;
      if (status.rssMb > memoryLimitMb) {
        this.#executor.kill(
          `it uses ${Math.round(status.rssMb)} MB, more than its limit of ${memoryLimitMb} MB`,
        );
      }
    } catch (thrown) {
      // Its end is told by the process; a late answer is what the next tick judges.
      if (!(thrown instanceof TuttiError)) throw thrown;
    } finally {
      this.#isOut = false;
    }
  }
}
