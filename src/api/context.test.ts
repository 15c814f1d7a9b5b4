import { describe, expect, it } from "vitest";
import { context, currentContext, runInContext, type TracedContext } from "./context.ts";

const scope = (requestId: string): TracedContext => ({
  requestId,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  priority: 1,
  lean: false,
  signal: new AbortController().signal,
  replica: "Offers#0",
  application: "offers",
  applicationVersion: "1",
  degraded: false,
  recordStage: () => {},
  noteCalls: () => {},
});

describe("context()", () => {
  it("is the call's own across awaits, though calls run side by side", async () => {
    const seen = await Promise.all(
      ["a", "b", "c"].map((id) =>
        runInContext(scope(id), async () => {
          await new Promise((resolve) => setImmediate(resolve));
          return context().requestId;
        }),
      ),
    );
    expect(seen).toEqual(["a", "b", "c"]);
  });

  it("throws NotRunning outside of a call, where currentContext() is undefined", () => {
    expect(() => context()).toThrow(expect.objectContaining({ code: "NotRunning" }));
    expect(currentContext()).toBeUndefined();
  });
});
