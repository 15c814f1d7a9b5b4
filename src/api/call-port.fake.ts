import { type Clock, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import { type CallOutcome, type CallStats, NO_STATS, type RowsOfResult } from "../wire/messages.ts";
import type {
  CallPort,
  OutgoingCall,
  OutgoingFanout,
  OutgoingStreamCall,
  PendingCall,
  PendingStream,
  RequestScope,
} from "./call-port.ts";

/** How one call is to end. Without `value`, `rows` and `error` it ends by its deadline or its cancellation alone. */
export interface PlannedEnd {
  readonly value?: unknown;
  readonly rows?: RowsOfResult;
  readonly error?: TuttiError;
  /** Of a stream, before its end. */
  readonly chunks?: readonly unknown[];
  /** Turns of the event loop before it ends. Default 0: at the end of this one. */
  readonly turns?: number;
  readonly stats?: CallStats;
  /** A cancellation does not end the call: its end is on its way already, as a refusal's is. */
  readonly ignoresCancel?: boolean;
}

/** A call to one deployment, by itself or as a member of a fan-out. */
export interface SeenCall extends RequestScope {
  readonly deployment: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** A port without a network behind it: each call ends once (D1) as planned, at the latest by its deadline (D2). */
export class FakeCallPort implements CallPort {
  readonly clock: Clock;
  readonly calls: SeenCall[] = [];
  readonly cancelled: string[] = [];
  /** Whether each fan-out may be hedged. */
  readonly hedges: boolean[] = [];
  readonly granted: StreamCredit[] = [];
  readonly fanouts: OutgoingFanout[] = [];
  readonly #plan: (call: SeenCall) => PlannedEnd;

  /** @param clock of those that call; its own timers are the system's. */
  constructor(plan: (call: SeenCall) => PlannedEnd, clock: Clock = systemClock) {
    this.#plan = plan;
    this.clock = clock;
  }

  dispatch(call: OutgoingCall): PendingCall {
    return this.#begin(
      call,
      (outcome, stats) => call.onEnd(outcome, stats),
      () => {
        throw new Error("rows are planned for a call by itself");
      },
    );
  }

  /** The planned chunks come first, at the end of this turn; then the planned end. */
  dispatchStream(call: OutgoingStreamCall): PendingStream {
    const { chunks = [] } = this.#plan(call);
    queueMicrotask(() => {
      for (const chunk of chunks) call.onChunk(chunk, 1);
    });
    return { ...this.dispatch(call), grant: (credit) => void this.granted.push(credit) };
  }

  dispatchMany(call: OutgoingFanout): PendingCall {
    const { method, args, requestId, deadlineAtMs, priority, lean, hedge } = call;
    this.hedges.push(hedge);
    this.fanouts.push(call);
    const pending = call.deployments.map((deployment, member) =>
      this.#begin(
        { deployment, method, args, requestId, deadlineAtMs, priority, lean },
        (outcome, stats) => call.onEnd(member, outcome, stats),
        (rows, stats) => call.onRows(member, rows, stats),
      ),
    );
    return {
      cancel: () => {
        for (const one of pending) one.cancel();
      },
    };
  }

  #begin(
    call: SeenCall,
    onEnd: (outcome: CallOutcome, stats: CallStats) => void,
    onRows: (rows: RowsOfResult, stats: CallStats) => void,
  ): PendingCall {
    this.calls.push(call);
    const { value, rows, error, turns = 0, stats = NO_STATS, ignoresCancel = false } = this.#plan(call);
    let hasEnded = false;
    let timer: NodeJS.Timeout | undefined;
    const once = (run: () => void) => {
      if (hasEnded) return;
      hasEnded = true;
      clearTimeout(timer);
      run();
    };
    const end = (outcome: CallOutcome) => once(() => onEnd(outcome, stats));
    if (error !== undefined) afterTurns(turns, () => end({ ok: false, error }));
    else if (rows !== undefined) afterTurns(turns, () => once(() => onRows(rows, stats)));
    else if (value !== undefined) afterTurns(turns, () => end({ ok: true, value }));
    else if (Number.isFinite(call.deadlineAtMs)) {
      const late = new TuttiError("DeadlineExceeded", "the deadline passed before the reply");
      const leftMs = Math.ceil(call.deadlineAtMs - performance.now());
      timer = setTimeout(() => end({ ok: false, error: late }), leftMs);
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
