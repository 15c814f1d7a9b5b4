import { describe, expect, it } from "vitest";
import type { PendingCall } from "../api/call-port.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { IncomingCall } from "../wire/messages.ts";
import { ServedCall } from "./served-call.ts";

const clock = new ManualClock();

const serve = (call: Partial<IncomingCall> = {}) =>
  new ServedCall(
    {
      id: 1,
      target: 0,
      targets: undefined,
      method: "offer",
      requestId: "r-1",
      deadlineAtMs: Number.POSITIVE_INFINITY,
      priority: 1,
      idempotent: false,
      lean: false,
      takesStream: false,
      args: [],
      ...call,
    },
    { replica: "Offers#0", application: "offers", applicationVersion: "v1" },
    clock,
  );

/** A call that, as real ones do, is released when it ends. */
class Pending implements PendingCall {
  cancelled = 0;
  onCancel: () => void = () => {};

  cancel(): void {
    this.cancelled += 1;
    this.onCancel();
  }
}

const givenUp = () => new TuttiError("Cancelled", "the caller gave the call up");

describe("a call that is given up", () => {
  it("has the calls cancelled that it made and that are out, and no others (D2)", () => {
    const served = serve();
    const calls = [new Pending(), new Pending(), new Pending()];
    for (const call of calls) {
      call.onCancel = () => served.release(call);
      served.adopt(call);
    }
    served.release(calls[0]!);
    served.abort(givenUp());
    served.abort(givenUp());
    expect(calls.map(({ cancelled }) => cancelled)).toEqual([0, 1, 1]);
  });

  it("says why before the calls that it made end, so that nothing new is begun for it", () => {
    const served = serve();
    const call = new Pending();
    let reason: TuttiError | undefined;
    call.onCancel = () => {
      reason = served.abortReason;
    };
    served.adopt(call);
    const why = givenUp();
    served.abort(why);
    expect(reason).toBe(why);
  });

  it("by its deadline, with a signal that somebody looks at, has them cancelled too", async () => {
    const served = serve({ deadlineAtMs: clock.now() + 100 });
    const call = new Pending();
    served.adopt(call);
    expect(served.signal.aborted).toBe(false);
    await clock.advance(100);
    expect(served.signal.reason).toMatchObject({ code: "DeadlineExceeded" });
    expect(call.cancelled).toBe(1);
  });

  it("leaves no timer when it has ended before its deadline", async () => {
    const served = serve({ deadlineAtMs: clock.now() + 100 });
    const { signal } = served;
    served.end();
    expect(clock.pending).toBe(0);
    await clock.advance(200);
    expect(signal.aborted).toBe(false);
  });
});
