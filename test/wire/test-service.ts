import type {
  CallOutcome,
  CallStats,
  IncomingCall,
  LoadReport,
  Withdrawal,
} from "../../src/wire/messages.ts";
import { NO_STATS } from "../../src/wire/messages.ts";
import type { CallRequest } from "../../src/wire/outstanding.ts";
import { NO_LOAD, type Peer, type PeerService } from "../../src/wire/peer.ts";

/** Keeps the calls that arrive; answers by `answer`, or when the test says so. */
export class TestService implements PeerService {
  readonly calls: IncomingCall[] = [];
  /** The calls of each frame that arrived. */
  readonly frames: (readonly IncomingCall[])[] = [];
  readonly cancelled: number[] = [];
  /** Each frame of them that arrived, if only an empty one. */
  readonly withdrawals: (readonly Withdrawal[])[] = [];
  load: LoadReport = NO_LOAD;
  hasMoreSoon = false;
  answer: ((call: IncomingCall, from: Peer) => void) | undefined;
  #waiting: (() => void)[] = [];

  onCalls(calls: readonly IncomingCall[], from: Peer): void {
    this.frames.push(calls);
    for (const call of calls) {
      this.calls.push(call);
      this.answer?.(call, from);
    }
    this.#tell();
  }

  onCancel(ids: readonly number[]): void {
    this.cancelled.push(...ids);
    this.#tell();
  }

  onWithdraw(withdrawals: readonly Withdrawal[]): void {
    this.withdrawals.push(withdrawals);
    this.#tell();
  }

  loadReport(): LoadReport {
    return this.load;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  untilCalls(count: number): Promise<void> {
    return this.until(() => this.calls.length >= count);
  }

  #tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Answers every call with its first argument. */
export const echo = (call: IncomingCall, from: Peer): void =>
  from.reply(call.id, { ok: true, value: call.args[0] }, NO_STATS);

export interface MadeCall {
  readonly id: number;
  readonly ended: Promise<CallOutcome>;
  /** How often the call ended: once, or D1 is broken. */
  readonly ends: readonly CallStats[];
}

export function makeCall(peer: Peer, args: readonly unknown[], request: Partial<CallRequest> = {}): MadeCall {
  const { promise, resolve } = Promise.withResolvers<CallOutcome>();
  const ends: CallStats[] = [];
  let hasReturned = false;
  const id = peer.call({
    target: 1,
    method: "run",
    requestId: "r-1",
    deadlineAtMs: Number.POSITIVE_INFINITY,
    priority: 0,
    lean: false,
    idempotent: false,
    ...request,
    args,
    onEnd: (outcome, stats) => {
      if (!hasReturned) throw new Error("onEnd was called from inside call");
      ends.push(stats);
      resolve(outcome);
    },
  });
  hasReturned = true;
  return { id, ended: promise, ends };
}
