import type { HostedReplica } from "./hosted-replica.ts";

export interface HealthCheckTiming {
  readonly periodMs: number;
  readonly timeoutMs: number;
}

const FAILURES_TO_BE_UNHEALTHY = 3;

/** Calls `checkHealth` of each replica by its own period; three failures in a row make it unhealthy. */
export class HealthChecks {
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #failures = new Map<number, { count: number; reason: string }>();

  watch(replica: HostedReplica, { periodMs, timeoutMs }: HealthCheckTiming): void {
    let isChecking = false;
    const timer = setInterval(async () => {
      if (isChecking) return;
      isChecking = true;
      await this.#check(replica, timeoutMs);
      isChecking = false;
    }, periodMs);
    timer.unref();
    this.#timers.set(replica.target, timer);
  }

  forget(target: number): void {
    clearInterval(this.#timers.get(target));
    this.#timers.delete(target);
    this.#failures.delete(target);
  }

  get unhealthy(): { target: number; reason: string }[] {
    return [...this.#failures]
      .filter(([, { count }]) => count >= FAILURES_TO_BE_UNHEALTHY)
      .map(([target, { reason }]) => ({ target, reason }));
  }

  close(): void {
    for (const timer of this.#timers.values()) clearInterval(timer);
    this.#timers.clear();
  }

  async #check(replica: HostedReplica, timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`checkHealth() took longer than ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    try {
      await Promise.race([replica.checkHealth(), timeout]);
      this.#failures.delete(replica.target);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      const failure = this.#failures.get(replica.target) ?? { count: 0, reason };
      this.#failures.set(replica.target, { count: failure.count + 1, reason });
    } finally {
      clearTimeout(timer);
    }
  }
}
