import { describe, expect, it } from "vitest";
import { SlotHistory } from "./slot-history.ts";

describe("the history of slots", () => {
  it("counts what happened to each, and keeps how long the last start took", () => {
    const history = new SlotHistory();
    const of = { slot: "lane0", executor: "x1" };
    history.note({ type: "filled", ...of, tookMs: 800 });
    history.note({ type: "lost", ...of, reason: "it was ended by SIGKILL" });
    history.note({ type: "fill-failed", slot: "lane0", reason: "no disk", retryInMs: 200 });
    history.note({ type: "filled", ...of, executor: "x2", tookMs: 90 });
    history.note({ type: "unhealthy", ...of, executor: "x2", reason: "sick" });
    history.note({ type: "retiring", ...of, executor: "x2", reason: "too large" });
    expect(history.of("lane0")).toEqual({
      starts: 2,
      losses: 1,
      startFailures: 1,
      unhealthy: 1,
      retirements: 1,
      startMs: 90,
    });
  });

  it("knows of nothing at first", () => {
    expect(new SlotHistory().of("code0")).toMatchObject({ starts: 0, losses: 0, startMs: undefined });
  });
});
