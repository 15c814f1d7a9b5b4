import { TuttiError } from "../errors/tutti-error.ts";
import { type CallOutcome, type CallStats, NO_STATS } from "../wire/messages.ts";
import type { CallPort, OutgoingCall, PendingCall } from "./call-port.ts";

/** How one call is to end. Without `value` and `error` it ends by its deadline or its cancellation alone. */
export interface PlannedEnd {
  readonly value?: unknown;
  readonly error?: TuttiError;
  /** Turns of the event loop before it ends. Default 0: at the end of this one. */
  readonly turns?: number;
  readonly stats?: CallStats;
  /** A cancellation does not end the call: its end is on its way already, as a refusal's is. */
  readonly ignoresCancel?: boolean;
}

/** A port without a network behind it: each call ends once (D1) as planned, at the latest by its deadline (D2). */
export class FakeCallPort implements CallPort {
  readonly calls: OutgoingCall[] = [];
  readonly cancelled: string[] = [];
  readonly #plan: (call: OutgoingCall) => PlannedEnd;

  constructor(plan: (call: OutgoingCall) => PlannedEnd) {
    this.#plan = plan;
  }

  dispatch(call: OutgoingCall): PendingCall {
    this.calls.push(call);
    const { value, error, turns = 0, stats = NO_STATS, ignoresCancel = false } = this.#plan(call);
    let hasEnded = false;
    let timer: NodeJS.Timeout | undefined;
    const end = (outcome: CallOutcome) => {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(timer);
      call.onEnd(outcome, stats);
    };
    if (error !== undefined) afterTurns(turns, () => end({ ok: false, error }));
    else if (value !== undefined) afterTurns(turns, () => end({ ok: true, value }));
    else if (Number.isFinite(call.deadlineAtMs)) {
      const late = new TuttiError("DeadlineExceeded", "the deadline passed before the reply");
      timer = setTimeout(
        () => end({ ok: false, error: late }),
        Math.ceil(call.deadlineAtMs - performance.now()),
      );
    }
    return {
      cancel: () => {
        if (hasEnded || ignoresCancel) return;
        this.cancelled.push(call.deployment);
        end({ ok: false, error: new TuttiError("Cancelled", "the call was cancelled by its caller") });
      },
    };
  }
}

function afterTurns(turns: number, run: () => void): void {
  if (turns === 0) queueMicrotask(run);
  else setImmediate(() => afterTurns(turns - 1, run));
}
