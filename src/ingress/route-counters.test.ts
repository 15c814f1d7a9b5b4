import { describe, expect, it } from "vitest";
import { NO_ROUTE, RouteCounters } from "./route-counters.ts";

describe("requests by route", () => {
  it("are counted by status, those that were not let in without a duration", () => {
    const counters = new RouteCounters();
    counters.count("POST /a/:b", 200, 3);
    counters.count("POST /a/:b", 200, 4);
    counters.count("POST /a/:b", 503, undefined);
    counters.count(NO_ROUTE, 404, undefined);
    const [first, none] = counters.counts();
    expect(first).toMatchObject({
      route: "POST /a/:b",
      statuses: [
        { status: 200, requests: 2 },
        { status: 503, requests: 1 },
      ],
      latency: { sumMs: 7 },
    });
    expect(none).toMatchObject({
      route: "none",
      statuses: [{ status: 404, requests: 1 }],
      latency: { sumMs: 0 },
    });
  });

  it("of a status that HTTP does not have count as the nearest that it has", () => {
    const counters = new RouteCounters();
    for (const status of [0, 99, 1000]) counters.count("GET /", status, undefined);
    expect(counters.counts()[0]?.statuses).toEqual([
      { status: 100, requests: 2 },
      { status: 599, requests: 1 },
    ]);
  });
});
