import { describe, expect, it } from "vitest";
import { context, currentContext, runInContext } from "./context.ts";
import { FakeContext } from "./traced-context.fake.ts";

const scope = (requestId: string) => new FakeContext({ requestId });

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
