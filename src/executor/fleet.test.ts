import { describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import type { Peer } from "../wire/peer.ts";
import type { ExecutorLauncher, LaunchOrder } from "./executor-launcher.ts";
import { Fleet } from "./fleet.ts";
import { ManagedExecutor } from "./managed-executor.ts";

/** Takes orders and answers none. */
const SILENT = { call() {}, close() {} } as unknown as Peer;

class FakeExecutor extends ManagedExecutor {
  readonly pid = undefined;
  readonly exited = Promise.resolve();
  isInBackground: boolean;

  constructor({ id, inBackground, onEnded }: LaunchOrder, clock: ManualClock) {
    super({ id, socketPath: "", startTimeoutMs: 30_000, onEnded, clock });
    this.isInBackground = inBackground;
  }

  override bringToFront(): void {
    this.isInBackground = false;
  }

  override putInBackground(): void {
    this.isInBackground = true;
  }

  /** It says hello. */
  async begin(): Promise<void> {
    this.attach(SILENT);
    await this.ready;
  }

  protected stop(): void {}
}

function fleetOf(spares: number) {
  const clock = new ManualClock();
  const launched: FakeExecutor[] = [];
  const launcher: ExecutorLauncher = {
    start: async () => {},
    close: async () => {},
    launch: (order) => {
      const executor = new FakeExecutor(order, clock);
      launched.push(executor);
      return executor;
    },
  };
  const heartbeat = {
    intervalMs: 100,
    silentAfterMs: 250,
    timeoutMs: 1000,
    loadingTimeoutMs: 10_000,
    memoryLimitMb: 100,
  };
  const nothing = () => {};
  const fleet = new Fleet({
    launcher,
    spares,
    heartbeat,
    clock,
    onDetached: nothing,
    onLost: nothing,
    onLoad: nothing,
    onSilence: nothing,
    onTooLarge: nothing,
  });
  fleet.keepSpares();
  return { fleet, launched };
}

describe("a spare that is started for one that was taken", () => {
  it("begins in the background also after a crash: what takes over loads meanwhile", async () => {
    const { fleet, launched } = fleetOf(1);
    await launched[0]!.begin();
    expect(await fleet.acquire(true)).toBe(launched[0]);
    expect(launched.map(({ isInBackground }) => isInBackground)).toEqual([false, true]);
  });

  it("comes to the front when it is ready, to answer its heartbeats", async () => {
    const { launched } = fleetOf(1);
    await launched[0]!.begin();
    await Promise.resolve();
    expect(launched[0]!.isInBackground).toBe(false);
  });

  it("comes to the front as it is when it is wanted before that", async () => {
    const { fleet, launched } = fleetOf(1);
    const acquired = fleet.acquire(true);
    expect(launched[0]!.isInBackground).toBe(false);
    await launched[0]!.begin();
    expect(await acquired).toBe(launched[0]);
  });
});
