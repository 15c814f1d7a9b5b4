import { type CancelTimer, type Clock, everyInBackground, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ExecutorStatus } from "./control-messages.ts";
import type { Executor } from "./executor.ts";

export interface HeartbeatOptions {
  readonly intervalMs: number;
  /** Silence after which routers are told, so that they ask elsewhere. */
  readonly silentAfterMs: number;
  /** Silence after which an executor is replaced. */
  readonly timeoutMs: number;
  /** The same while it loads models or imports a module, which block its thread. */
  readonly loadingTimeoutMs: number;
  /** Resident memory above which it is replaced. */
  readonly memoryLimitMb: number;
}

/** What a heartbeat finds out, apart from what it ends by itself. */
export interface HeartbeatEvents {
  /** It has been silent for longer than it should, or is so no more. */
  onSilence(isSilent: boolean): void;
  /** It has grown beyond its limit, and is to be replaced while it still answers. Told once. */
  onTooLarge(reason: string): void;
}

/** An executor that may be found dead. */
export interface WatchedExecutor extends Executor {
  status: ExecutorStatus | undefined;
  /** True while it may well not answer for a while. */
  readonly isBusyLoading: boolean;
}

/** So many times what its longest batch is predicted to take, and its silence means something: routers are told. */
const PATIENCE = 2;

/** So many times, and it is ended. Where batches are short, the time-out is many times that already. */
const LONG_PATIENCE = 4;

/** So many times its memory limit, and it is ended without waiting for who takes over: it would take the machine along. */
const HARD_LIMIT = 1.5;

/**
 * Asks one executor again and again how it is, and kills it when it is silent for too long (its event loop is blocked,
 * or the process is stopped). One that grows beyond its limit is reported, and killed only when it goes on to grow.
 */
export class Heartbeat {
  readonly #executor: WatchedExecutor;
  readonly #options: HeartbeatOptions;
  readonly #events: HeartbeatEvents;
  readonly #clock: Clock;
  readonly #cancelTimer: CancelTimer;
  #cancelLastLook: CancelTimer = () => {};
  #lastAnswerAtMs: number;
  #lastTickAtMs: number;
  #isOut = false;
  #isSilent = false;
  #isTooLarge = false;

  constructor(
    executor: WatchedExecutor,
    options: HeartbeatOptions,
    events: HeartbeatEvents,
    clock: Clock = systemClock,
  ) {
    this.#executor = executor;
    this.#options = options;
    this.#events = events;
    this.#clock = clock;
    this.#lastAnswerAtMs = clock.now();
    this.#lastTickAtMs = clock.now();
    this.#cancelTimer = everyInBackground(clock, options.intervalMs, () => this.#tick());
  }

  close(): void {
    this.#cancelTimer();
    this.#cancelLastLook();
  }

  #tick(): void {
    const { intervalMs, timeoutMs, silentAfterMs, loadingTimeoutMs } = this.#options;
    const nowMs = this.#clock.now();
    // If this process itself was held up, the answers may lie unread: the silence is not the executor's.
    const ownLagMs = nowMs - this.#lastTickAtMs - intervalMs;
    this.#lastTickAtMs = nowMs;
    if (ownLagMs > intervalMs / 2) this.#lastAnswerAtMs += ownLagMs;
    const silentMs = nowMs - this.#lastAnswerAtMs;
    const { isBusyLoading, status } = this.#executor;
    const longestRunMs = status?.longestRunMs ?? 0;
    const allowedMs = isBusyLoading ? loadingTimeoutMs : Math.max(timeoutMs, LONG_PATIENCE * longestRunMs);
    if (silentMs > allowedMs) {
      this.#executor.kill(
        `it did not answer for ${Math.round(silentMs)} ms: its event loop is blocked or it is stopped`,
      );
      return;
    }
    this.#tellSilence(!isBusyLoading && silentMs > Math.max(silentAfterMs, PATIENCE * longestRunMs));
    if (!this.#isOut) void this.#ask();
    else this.#lookAgainIn(allowedMs - silentMs);
  }

  /** Its time may be over before the next tick: whoever waits for its replacement waits no longer than that. */
  #lookAgainIn(leftMs: number): void {
    this.#cancelLastLook();
    if (leftMs < this.#options.intervalMs)
      this.#cancelLastLook = this.#clock.afterInBackground(leftMs + 1, () => this.#tick());
  }

  async #ask(): Promise<void> {
    this.#isOut = true;
    try {
      const status = await this.#executor.order({ type: "ping" }, this.#options.loadingTimeoutMs);
      this.#executor.status = status;
      this.#lastAnswerAtMs = this.#clock.now();
      this.#tellSilence(false);
      this.#judgeMemory(status.rssMb);
    } catch (thrown) {
      // Its end is told by the process; a late answer is what the next tick judges.
      if (!(thrown instanceof TuttiError)) throw thrown;
    } finally {
      this.#isOut = false;
    }
  }

  #tellSilence(isSilent: boolean): void {
    if (isSilent === this.#isSilent) return;
    this.#isSilent = isSilent;
    this.#events.onSilence(isSilent);
  }

  #judgeMemory(rssMb: number): void {
    const { memoryLimitMb } = this.#options;
    if (rssMb <= memoryLimitMb) return;
    const reason = `it uses ${Math.round(rssMb)} MB, more than its limit of ${memoryLimitMb} MB`;
    if (rssMb > HARD_LIMIT * memoryLimitMb) return this.#executor.kill(reason);
    if (this.#isTooLarge) return;
    this.#isTooLarge = true;
    this.#events.onTooLarge(reason);
  }
}
