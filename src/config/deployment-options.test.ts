import { describe, expect, it } from "vitest";
import {
  CODE_DEFAULTS,
  DEPLOYMENT_OPTION_NAMES,
  type DeploymentOptions,
  MODEL_DEFAULTS,
  resolveDeploymentOptions,
} from "./deployment-options.ts";

const resolve = (options: unknown) =>
  resolveDeploymentOptions("Offers", options as DeploymentOptions, CODE_DEFAULTS);

describe("the options of a deployment", () => {
  it("have their documented defaults for classes", () => {
    expect(resolve({})).toEqual({
      replicas: { min: 1, max: 1, initial: 1 },
      maxOngoingRequests: 512,
      maxQueueMs: undefined,
      memoryMb: 64,
      compute: false,
      userConfig: undefined,
      healthCheckPeriodMs: 10_000,
      healthCheckTimeoutMs: 30_000,
      gracefulShutdownMs: 20_000,
      idempotent: false,
    });
  });

  it("have more waiting items, less memory and repeatable calls for models", () => {
    expect(resolveDeploymentOptions("m", {}, MODEL_DEFAULTS)).toMatchObject({
      maxOngoingRequests: 4096,
      memoryMb: 8,
      idempotent: true,
    });
  });

  it("are taken as they are given", () => {
    const options = {
      name: "Offers",
      replicas: { min: 1, max: 4, initial: 2 },
      maxOngoingRequests: 10,
      maxQueueMs: 50,
      resources: { memoryMb: 256 },
      compute: true,
      userConfig: { threshold: 0.5 },
      healthCheck: { periodMs: 1000, timeoutMs: 500 },
      gracefulShutdownMs: 0,
      idempotent: ["offer"],
    };
    expect(Object.keys(options).sort()).toEqual([...DEPLOYMENT_OPTION_NAMES].sort());
    expect(resolve(options)).toEqual({
      replicas: { min: 1, max: 4, initial: 2 },
      maxOngoingRequests: 10,
      maxQueueMs: 50,
      memoryMb: 256,
      compute: true,
      userConfig: { threshold: 0.5 },
      healthCheckPeriodMs: 1000,
      healthCheckTimeoutMs: 500,
      gracefulShutdownMs: 0,
      idempotent: ["offer"],
    });
  });

  it("are frozen, and a caller's own list is copied", () => {
    const idempotent = ["offer"];
    const resolved = resolve({ idempotent });
    idempotent.push("charge");
    expect(resolved.idempotent).toEqual(["offer"]);
    expect(Object.isFrozen(resolved)).toBe(true);
    expect(Object.isFrozen(resolved.replicas)).toBe(true);
    expect(Object.isFrozen(resolved.idempotent)).toBe(true);
  });

  it("take replicas as a number: as many, no more and no fewer", () => {
    expect(resolve({ replicas: 3 }).replicas).toEqual({ min: 3, max: 3, initial: 3 });
    expect(resolve({ replicas: { min: 2, max: 5 } }).replicas).toEqual({ min: 2, max: 5, initial: 2 });
  });

  it.each([
    [{ replicaz: 1 }, "deployment Offers: unknown option replicaz; known: name, replicas"],
    [{ replicas: 0 }, "deployment Offers: replicas: expected a number from 1 to "],
    [{ replicas: 1.5 }, "deployment Offers: replicas: expected a whole number, got 1.5"],
    [{ replicas: 1e6 }, "deployment Offers: replicas: expected a number from 1 to "],
    [{ replicas: "2" }, 'deployment Offers: replicas: expected a number or { min, max }, got "2"'],
    [{ replicas: null }, "deployment Offers: replicas: expected a number or { min, max }, got null"],
    [{ replicas: [] }, "deployment Offers: replicas: expected an object of options, got a list of 0"],
    [
      { replicas: { min: 1, max: 2, most: 3 } },
      "deployment Offers: replicas: unknown option most; known: min, max, initial",
    ],
    [
      { replicas: { min: 3, max: 2 } },
      "deployment Offers: replicas.min: expected a number from 1 to 2, got 3",
    ],
    [
      { replicas: { min: 0, max: 2 } },
      "deployment Offers: replicas.min: expected a number from 1 to 2, got 0",
    ],
    [
      { replicas: { min: 1, max: 2, initial: 3 } },
      "deployment Offers: replicas.initial: expected a number from 1 to 2, got 3",
    ],
    [
      { maxOngoingRequests: 0 },
      "deployment Offers: maxOngoingRequests: expected a number from 1 to 1000000, got 0",
    ],
    [{ maxOngoingRequests: 2.5 }, "deployment Offers: maxOngoingRequests: expected a whole number, got 2.5"],
    [{ maxQueueMs: 0 }, "deployment Offers: maxQueueMs: expected a number at least 1, got 0"],
    [{ maxQueueMs: "5" }, 'deployment Offers: maxQueueMs: expected a number at least 1, got "5"'],
    [
      { resources: { memoryMb: -1 } },
      "deployment Offers: resources.memoryMb: expected a number at least 0, got -1",
    ],
    [{ resources: { cpu: 1 } }, "deployment Offers: resources: unknown option cpu; known: memoryMb"],
    [{ resources: 5 }, "deployment Offers: resources: expected an object of options, got 5"],
    [{ resources: null }, "deployment Offers: resources: expected an object of options, got null"],
    [{ compute: "yes" }, 'deployment Offers: compute: expected true or false, got "yes"'],
    [{ healthCheck: true }, "deployment Offers: healthCheck: expected an object of options, got true"],
    [
      { healthCheck: { every: 5 } },
      "deployment Offers: healthCheck: unknown option every; known: periodMs, timeoutMs",
    ],
    [
      { healthCheck: { periodMs: 1 } },
      "deployment Offers: healthCheck.periodMs: expected a number from 10 to 2147483647, got 1",
    ],
    [
      { healthCheck: { timeoutMs: 1 } },
      "deployment Offers: healthCheck.timeoutMs: expected a number from 10 to 2147483647, got 1",
    ],
    [
      { gracefulShutdownMs: -1 },
      "deployment Offers: gracefulShutdownMs: expected a number at least 0, got -1",
    ],
    [
      { idempotent: "offer" },
      'deployment Offers: idempotent: expected true, false or method names, got "offer"',
    ],
    [
      { idempotent: [5] },
      "deployment Offers: idempotent: expected true, false or method names, got a list of 1",
    ],
    [null, "deployment Offers: expected an object of options, got null"],
  ])("%j is refused, naming the option, what is expected and what was found", (options, message) => {
    expect(() => resolve(options)).toThrow(message);
    expect(() => resolve(options)).toThrow(expect.objectContaining({ code: "InvalidOptions" }));
  });

  it("refuse times that Node's timers would turn into one millisecond", () => {
    // A period of 2^31 ms and more makes setInterval fire all the time.
    expect(() => resolve({ healthCheck: { periodMs: 2 ** 31 } })).toThrow(
      /periodMs: expected a number from 10 to 2147483647/,
    );
    expect(() => resolve({ healthCheck: { timeoutMs: 2 ** 31 } })).toThrow(
      /timeoutMs: expected a number from 10 to /,
    );
    expect(resolve({ healthCheck: { periodMs: 2 ** 31 - 1 } }).healthCheckPeriodMs).toBe(2 ** 31 - 1);
  });
});
