import { type CancelTimer, type Clock, everyInBackground, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { HostedReplica } from "./hosted-replica.ts";

export interface HealthCheckTiming {
  readonly periodMs: number;
  readonly timeoutMs: number;
}

const FAILURES_TO_BE_UNHEALTHY = 3;

/** Calls `checkHealth` of each replica by its own period; three failures in a row make it unhealthy. */
export class HealthChecks {
  readonly #clock: Clock;
  readonly #timers = new Map<number, CancelTimer>();
  readonly #failures = new Map<number, { count: number; reason: string }>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** @throws TuttiError `StartFailed` with what its first check threw, or that it took too long. */
  async checkFirst(replica: HostedReplica, timeoutMs: number): Promise<void> {
    await this.#check(replica, timeoutMs);
    const failure = this.#failures.get(replica.target);
    if (failure === undefined) return;
    this.#failures.delete(replica.target);
    throw new TuttiError("StartFailed", `${replica.deployment} is not healthy: ${failure.reason}`, {
      started: "no",
    });
  }

  watch(replica: HostedReplica, { periodMs, timeoutMs }: HealthCheckTiming): void {
    let isChecking = false;
    const check = async () => {
      if (isChecking) return;
      isChecking = true;
      await this.#check(replica, timeoutMs);
      isChecking = false;
    };
    this.#timers.set(
      replica.target,
      everyInBackground(this.#clock, periodMs, () => void check()),
    );
  }

  forget(target: number): void {
    this.#timers.get(target)?.();
    this.#timers.delete(target);
    this.#failures.delete(target);
  }

  get unhealthy(): { target: number; reason: string }[] {
    return [...this.#failures]
      .filter(([, { count }]) => count >= FAILURES_TO_BE_UNHEALTHY)
      .map(([target, { reason }]) => ({ target, reason }));
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  async #check(replica: HostedReplica, timeoutMs: number): Promise<void> {
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const cancelTimeout = this.#clock.afterInBackground(timeoutMs, () =>
      reject(new Error(`checkHealth() took longer than ${timeoutMs} ms`)),
    );
    try {
      await Promise.race([replica.checkHealth(), timeout]);
      this.#failures.delete(replica.target);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      const failure = this.#failures.get(replica.target) ?? { count: 0, reason };
      this.#failures.set(replica.target, { count: failure.count + 1, reason });
    } finally {
      cancelTimeout();
    }
  }
}
