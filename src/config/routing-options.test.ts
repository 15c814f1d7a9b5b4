import { describe, expect, it } from "vitest";
import { type RoutingOptions, resolveRoutingOptions } from "./routing-options.ts";

describe("resolveRoutingOptions", () => {
  it("is complete and frozen, and keeps what is given", () => {
    const resolved = resolveRoutingOptions({ hedgeFraction: 0.05, eject: false });
    expect(resolved).toMatchObject({
      hedgeFraction: 0.05,
      eject: false,
      stallMs: 100,
      choice: "predictedFinish",
    });
    expect(Object.isFrozen(resolved)).toBe(true);
  });

  it.each([
    [{ nosuch: 1 }, "routing: unknown option nosuch"],
    [{ eject: "yes" }, 'routing: eject: expected true or false, got "yes"'],
    [{ choice: "random" }, 'routing: choice: expected predictedFinish or outstanding, got "random"'],
    [{ hedgeFraction: 1.5 }, "routing: hedgeFraction: expected a number from 0 to 1, got 1.5"],
    [{ stallMs: Number.NaN }, "routing: stallMs: expected a number from 10 to 60000, got NaN"],
  ])("refuses %j, naming the option", (options, message) => {
    expect(() => resolveRoutingOptions(options as RoutingOptions)).toThrow(message);
  });
});
