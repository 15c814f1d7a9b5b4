import { describe, expect, it } from "vitest";
import { HealthChecks } from "./health-checks.ts";
import type { HostedReplica } from "./hosted-replica.ts";

const POLL = { interval: 1, timeout: 10_000 };

/** A replica whose health the test says: the results of its checks, the last one for good. */
function patient(target: number, ...results: readonly ("well" | "hangs" | Error)[]) {
  let checks = 0;
  const onCheck: { run: () => void } = { run: () => {} };
  const replica: HostedReplica = {
    target,
    deployment: "patient",
    gracefulShutdownMs: 1000,
    ongoing: 0,
    backlogUs: 0,
    queuedItems: 0,
    longestRunUs: 0,
    accept: () => {},
    cancel: () => {},
    withdraw: () => {},
    close: async () => {},
    cost: () => undefined,
    batching: () => [],
    checkHealth: async () => {
      onCheck.run();
      const result = results[Math.min(checks++, results.length - 1)]!;
      if (result === "hangs") await new Promise(() => {});
      if (result instanceof Error) throw result;
    },
  };
  return { replica, checks: () => checks, onCheck };
}

const sick = new Error("the disk is full");
const TIMING = { periodMs: 1, timeoutMs: 10_000 };

describe("health checks", () => {
  it("call a replica unhealthy after three failures in a row, with the reason", async () => {
    const health = new HealthChecks();
    const { replica } = patient(7, sick, sick, sick);
    health.watch(replica, TIMING);
    await expect.poll(() => health.unhealthy, POLL).toEqual([{ target: 7, reason: "the disk is full" }]);
    health.close();
  });

  it("do not count failures that a success came between", async () => {
    const health = new HealthChecks();
    const { replica, checks, onCheck } = patient(7, sick, sick, "well", sick, sick, "well");
    const unhealthyBefore: number[] = [];
    onCheck.run = () => unhealthyBefore.push(health.unhealthy.length);
    health.watch(replica, TIMING);
    await expect.poll(checks, POLL).toBeGreaterThan(8);
    health.close();
    expect(new Set(unhealthyBefore)).toEqual(new Set([0]));
  });

  it("need all three failures", async () => {
    const health = new HealthChecks();
    const { replica, checks, onCheck } = patient(7, sick);
    const unhealthyBefore: number[] = [];
    onCheck.run = () => unhealthyBefore.push(health.unhealthy.length);
    health.watch(replica, TIMING);
    await expect.poll(checks, POLL).toBeGreaterThan(4);
    health.close();
    expect(unhealthyBefore.slice(0, 5)).toEqual([0, 0, 0, 1, 1]);
  });

  it("take a check that hangs for a failure, saying how long was waited", async () => {
    const health = new HealthChecks();
    health.watch(patient(7, "hangs").replica, { periodMs: 1, timeoutMs: 2 });
    await expect
      .poll(() => health.unhealthy, POLL)
      .toEqual([{ target: 7, reason: "checkHealth() took longer than 2 ms" }]);
    health.close();
  });

  it("do not begin a check while one is under way", async () => {
    const health = new HealthChecks();
    const hanging = patient(7, "hangs");
    const other = patient(8, "well");
    health.watch(hanging.replica, TIMING);
    health.watch(other.replica, TIMING);
    await expect.poll(other.checks, POLL).toBeGreaterThan(5);
    expect(hanging.checks()).toBe(1);
    health.close();
  });

  it("call a replica well again that recovers", async () => {
    const health = new HealthChecks();
    health.watch(patient(7, sick, sick, sick, sick, "well").replica, TIMING);
    await expect.poll(() => health.unhealthy.length, POLL).toBe(1);
    await expect.poll(() => health.unhealthy.length, POLL).toBe(0);
    health.close();
  });

  it("forget a replica that is gone", async () => {
    const health = new HealthChecks();
    const [gone, stays] = [patient(7, sick), patient(8, "well")];
    health.watch(gone.replica, TIMING);
    await expect.poll(() => health.unhealthy.length, POLL).toBe(1);
    health.forget(7);
    const checksThen = gone.checks();
    health.watch(stays.replica, TIMING);
    await expect.poll(stays.checks, POLL).toBeGreaterThan(5);
    expect(health.unhealthy).toEqual([]);
    expect(gone.checks()).toBe(checksThen);
    health.close();
  });
});
