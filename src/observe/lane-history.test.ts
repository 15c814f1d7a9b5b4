import { describe, expect, it } from "vitest";
import { LaneHistory } from "./lane-history.ts";

const item = (requestId: string, queuedAtMs: number) => ({ call: { requestId }, queuedAtMs });

describe("the history of a lane", () => {
  it("tells of a long wait what ran meanwhile, longest first, and how long the lane was free", () => {
    const history = new LaneHistory();
    history.ran("m1", 4, 0, 100);
    history.ran("m3", 48, 100, 140);
    history.ran("m3", 16, 140, 160);
    history.started("m7", item("r-1", 90), 170);
    expect(history.waits(170)).toMatchObject([
      {
        requestId: "r-1",
        deployment: "m7",
        queueMs: 80,
        heldMs: 10,
        ended: "ran",
        behind: [
          { deployment: "m3", runs: 2, largestBatch: 48, ms: 60 },
          { deployment: "m1", runs: 1, largestBatch: 4, ms: 10 },
        ],
      },
    ]);
  });

  it("keeps those that were lost, and says nothing of short waits", () => {
    const history = new LaneHistory();
    history.lost("m7", item("r-1", 0), 50, "expired");
    history.lost("m7", item("r-2", 49), 50, "cancelled");
    history.started("m7", item("r-3", 46), 50);
    expect(history.waits(50).map(({ requestId, ended }) => [requestId, ended])).toEqual([["r-1", "expired"]]);
  });

  it("keeps the longest of many, in memory that does not grow", () => {
    const history = new LaneHistory();
    for (let i = 0; i < 5000; i++) {
      history.ran("m1", 1, i, i + 1);
      history.started("m7", item(`r-${i}`, i - 10 - (i % 100)), i);
      history.lost("m7", item(`r-${i}`, i - 20), i, "expired");
    }
    const waits = history.waits(5000);
    const ran = waits.filter(({ ended }) => ended === "ran");
    expect(ran).toHaveLength(64);
    for (const { queueMs } of ran) expect(queueMs).toBeGreaterThan(105);
    expect(waits).toHaveLength(64 + 512);
  });

  it("does not call a lane free at a time that it does not remember", () => {
    const history = new LaneHistory();
    for (let i = 0; i < 1000; i++) history.ran("m1", 1, i, i + 1);
    history.started("m7", item("r-1", 0), 1000);
    const [wait] = history.waits(1000);
    expect(wait).toMatchObject({ queueMs: 1000, heldMs: 0 });
    expect(wait?.behind[0]).toMatchObject({ runs: 256, ms: 256 });
  });
});
