import { describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { ControlAnswers, ControlRequest, ExecutorStatus } from "./control-messages.ts";
import { Heartbeat, type HeartbeatOptions, type WatchedExecutor } from "./heartbeat.ts";

const OPTIONS: HeartbeatOptions = {
  intervalMs: 100,
  silentAfterMs: 250,
  timeoutMs: 1000,
  loadingTimeoutMs: 10_000,
  memoryLimitMb: 100,
};

/** Answers while it is not stopped; what is asked meanwhile is answered when it goes on. */
class FakeExecutor implements WatchedExecutor {
  readonly id = "x1";
  readonly socketPath = "";
  readonly pid = undefined;
  status: ExecutorStatus | undefined;
  hasEnded = false;
  isBusyLoading = false;
  isStopped = false;
  rssMb = 50;
  longestRunMs = 0;
  killedBecause: string | undefined;
  readonly #unanswered: (() => void)[] = [];

  bringToFront(): void {}

  putInBackground(): void {}

  order<R extends ControlRequest>(): Promise<ControlAnswers[R["type"]]> {
    if (this.hasEnded) return Promise.reject(new TuttiError("PeerClosed", "it has ended", { started: "no" }));
    return new Promise((resolve) => {
      const { rssMb, longestRunMs } = this;
      const status = { ongoing: 0, backlogUs: 0, rssMb, longestRunMs, unhealthy: [], counts: {} };
      const answer = () => resolve(status as unknown as ControlAnswers[R["type"]]);
      if (this.isStopped) this.#unanswered.push(answer);
      else answer();
    });
  }

  goOn(): void {
    this.isStopped = false;
    for (const answer of this.#unanswered.splice(0)) answer();
  }

  kill(reason: string): void {
    this.hasEnded = true;
    this.killedBecause = reason;
  }
}

function watched(options: Partial<HeartbeatOptions> = {}) {
  const clock = new ManualClock();
  const executor = new FakeExecutor();
  const told: (boolean | string)[] = [];
  const events = {
    onSilence: (isSilent: boolean) => void told.push(isSilent),
    onTooLarge: (reason: string) => void told.push(reason),
  };
  const heartbeat = new Heartbeat(executor, { ...OPTIONS, ...options }, events, clock);
  return { clock, executor, told, heartbeat };
}

describe("an executor that answers", () => {
  it("is left alone, and what it says of itself is kept", async () => {
    const { clock, executor, told } = watched();
    await clock.advance(20_000);
    expect(executor.killedBecause).toBeUndefined();
    expect(executor.status).toMatchObject({ rssMb: 50 });
    expect(told).toEqual([]);
  });

  it("is asked no more once its watch is closed", async () => {
    const { clock, heartbeat } = watched();
    heartbeat.close();
    expect(clock.pending).toBe(0);
  });
});

describe("an executor that is silent", () => {
  it("is told of first, and ended when it stays so", async () => {
    const { clock, executor, told } = watched();
    await clock.advance(500);
    executor.isStopped = true;
    await clock.advance(200);
    expect(told).toEqual([]);
    await clock.advance(200);
    expect(told).toEqual([true]);
    expect(executor.killedBecause).toBeUndefined();
    await clock.advance(700);
    expect(executor.killedBecause).toMatch(
      /^it did not answer for \d+ ms: its event loop is blocked or it is stopped$/,
    );
  });

  it("and goes on is trusted again as soon as it answers", async () => {
    const { clock, executor, told } = watched();
    executor.isStopped = true;
    await clock.advance(600);
    executor.goOn();
    await clock.advance(5000);
    expect(told).toEqual([true, false]);
    expect(executor.killedBecause).toBeUndefined();
  });

  it("may be so for twice its longest batch before it is told of, and for four times before it is ended", async () => {
    const { clock, executor, told } = watched();
    executor.longestRunMs = 400;
    await clock.advance(500);
    executor.isStopped = true;
    await clock.advance(700);
    expect(told).toEqual([]);
    await clock.advance(200);
    expect(told).toEqual([true]);
    await clock.advance(600);
    expect(executor.killedBecause).toBeUndefined();
    await clock.advance(200);
    expect(executor.killedBecause).toBeDefined();
  });

  it("is ended when its time is over, not when it is next asked", async () => {
    const { clock, executor } = watched({ timeoutMs: 1030 });
    await clock.advance(500);
    executor.isStopped = true;
    await clock.advance(1029);
    expect(executor.killedBecause).toBeUndefined();
    await clock.advance(3);
    expect(executor.killedBecause).toBeDefined();
  });

  it("is ended no later for batches that are short beside the time-out", async () => {
    const { clock, executor } = watched();
    executor.longestRunMs = 200;
    await clock.advance(500);
    executor.isStopped = true;
    await clock.advance(1200);
    expect(executor.killedBecause).toBeDefined();
  });

  it("may be so for long while it loads, which is no news to routers", async () => {
    const { clock, executor, told } = watched();
    executor.isBusyLoading = true;
    executor.isStopped = true;
    await clock.advance(9900);
    expect(told).toEqual([]);
    expect(executor.killedBecause).toBeUndefined();
    await clock.advance(400);
    expect(executor.killedBecause).toBeDefined();
  });

  it("is not held to account for the time that this process itself was held up", async () => {
    const { clock, executor, told } = watched();
    await clock.advance(500);
    clock.block(30_000);
    await clock.advance(1000);
    expect(executor.killedBecause).toBeUndefined();
    expect(told).toEqual([]);
  });
});

describe("an executor that grows", () => {
  it("beyond its limit is told of once, and lives until somebody takes over", async () => {
    const { clock, executor, told } = watched();
    executor.rssMb = 120;
    await clock.advance(1000);
    expect(told).toEqual(["it uses 120 MB, more than its limit of 100 MB"]);
    expect(executor.killedBecause).toBeUndefined();
  });

  it("far beyond its limit is ended at once", async () => {
    const { clock, executor } = watched();
    executor.rssMb = 151;
    await clock.advance(100);
    expect(executor.killedBecause).toBe("it uses 151 MB, more than its limit of 100 MB");
  });
});
