import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eject, mayProbe, notEjected, readmit } from "./ejection.ts";

describe("an ejection", () => {
  it("lasts longer each time in a row, up to half a minute", () => {
    const ejection = notEjected();
    const lasted: number[] = [];
    for (let i = 0, nowMs = 0; i < 8; i++) {
      eject(ejection, nowMs);
      lasted.push(ejection.untilMs - nowMs);
      nowMs = ejection.untilMs;
    }
    expect(lasted).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((seconds) => seconds * 1000));
  });

  it("begins anew after half a minute in use", () => {
    const ejection = notEjected();
    eject(ejection, 0);
    eject(ejection, 1_000);
    readmit(ejection);
    eject(ejection, 3_000 + 30_001);
    expect(ejection.untilMs).toBe(33_001 + 1_000);
  });

  it("lets one call at a time try, and none before its time or when it is in use", () => {
    const ejection = notEjected();
    expect(mayProbe(ejection, 0)).toBe(false);
    eject(ejection, 0);
    expect([mayProbe(ejection, 999), mayProbe(ejection, 1_000)]).toEqual([false, true]);
    ejection.isProbing = true;
    expect(mayProbe(ejection, 2_000)).toBe(false);
    readmit(ejection);
    expect(mayProbe(ejection, 2_000)).toBe(false);
  });

  it("is never in use and being tried at once, whatever happens", () => {
    const step = fc.record({ what: fc.constantFrom("eject", "probe", "readmit"), afterMs: fc.nat(40_000) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const ejection = notEjected();
        let nowMs = 0;
        for (const { what, afterMs } of steps) {
          nowMs += afterMs;
          if (what === "eject") eject(ejection, nowMs);
          else if (what === "readmit") readmit(ejection);
          else if (mayProbe(ejection, nowMs)) ejection.isProbing = true;
          expect(ejection.isOut || !ejection.isProbing).toBe(true);
        }
      }),
    );
  });
});
