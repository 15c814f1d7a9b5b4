import { timingSafeEqual } from "node:crypto";
import { type CancelTimer, type Clock, systemClock } from "../clock/clock.ts";
import type { ErrorCode } from "../errors/codes.ts";
import { fromWireError, TuttiError } from "../errors/tutti-error.ts";
import { type CallHold, holdMsOf, learnWait, noHold } from "../policy/call-hold.ts";
import type { StreamCredit } from "../policy/stream-credit.ts";
import { DeadlineWatch } from "./deadline-watch.ts";
import { decodeFrame } from "./decode-frame.ts";
import {
  encodeBegun,
  encodeCalls,
  encodeCancel,
  encodeCredit,
  encodeHello,
  encodeWithdraw,
} from "./encode-frame.ts";
import {
  type CallLoss,
  type CallOutcome,
  type CallStats,
  type CreditGrant,
  type Hello,
  type IncomingCall,
  type IncomingChunk,
  type IncomingReply,
  type LoadReport,
  NO_STATS,
  type Withdrawal,
} from "./messages.ts";
import { OutgoingCalls } from "./outgoing-calls.ts";
import { OutgoingReplies } from "./outgoing-replies.ts";
import {
  type ChunkCarrier,
  type ChunkSource,
  type ChunkWriter,
  OutgoingStreams,
} from "./outgoing-streams.ts";
import {
  type CallRequest,
  type FanoutRequest,
  type Outstanding,
  OutstandingCall,
  OutstandingFanout,
  type RequestFields,
} from "./outstanding.ts";
import { OutstandingStream, type StreamRequest } from "./outstanding-stream.ts";
import {
  DEFAULT_WIRE_LIMITS,
  FrameType,
  MAX_PARTS,
  MAX_STRING_BYTES,
  PROTOCOL_VERSION,
  type WireLimits,
} from "./protocol.ts";
import { MAX_SLOTS, SlotTable } from "./slot-table.ts";
import type { TensorMap } from "./tensor.ts";
import type { Transport } from "./transport.ts";
import { type EncodedValue, writtenDown } from "./value-codec.ts";

/** What a peer does for those that call it. All of it runs on the event loop; nothing here may throw. */
export interface PeerService {
  onCalls(calls: readonly IncomingCall[], from: Peer): void;
  onCancel(ids: readonly number[], from: Peer): void;
  /** Each part that has not started ends as `Cancelled`, `started: "no"`; of those that have nothing is heard now. */
  onWithdraw(withdrawals: readonly Withdrawal[], from: Peer): void;
  /** Read when a frame of replies leaves. */
  loadReport(): LoadReport;
  /** True while more replies are being worked on: those there are may wait for them, for `MAX_HOLD_MS` at most. */
  readonly hasMoreSoon?: boolean;
}

export interface PeerOptions {
  readonly hello: Hello;
  /** The token a dialler must show; a listener sets it, a dialler does not. */
  readonly expectedToken?: string;
  readonly service?: PeerService;
  readonly limits?: WireLimits;
  /** Calls outstanding before new ones are refused. Default and most 65,536. */
  readonly maxOutstanding?: number;
  /** Bytes written but not taken by the other side before calls are refused. Default 64 MiB. */
  readonly maxBufferedBytes?: number;
  readonly onLoad?: (load: LoadReport) => void;
  readonly onClose?: (reason: TuttiError) => void;
  /** Told of calls that were lost, each once; a fan-out is as many as it has targets. */
  readonly onLoss?: (loss: CallLoss, calls: number) => void;
  /** Default the system's. */
  readonly clock?: Clock;
}

/** What it means for a call that it ends with this code before it is sent. */
const LOSSES: Partial<Record<ErrorCode, CallLoss>> = {
  DeadlineExceeded: "expired",
  Cancelled: "cancelled",
  Overloaded: "refused",
};

/** Arguments of a call that is held are copied. */
const MAX_HELD_BYTES = 4096;

/** The id of a call that was refused: no other call has it, so cancelling it does nothing. */
const NEVER_SENT = 0;

export const NO_LOAD: LoadReport = Object.freeze({
  backlogUs: 0,
  queuedItems: 0,
  busyFraction: 0,
  costs: [],
});

/** A process that is busy loading models greets late; one that never does must not be kept. */
const GREETING_TIMEOUT_MS = 30_000;

type PeerState =
  | { readonly kind: "greeting" }
  | { readonly kind: "open"; readonly remote: Hello }
  | { readonly kind: "closed"; readonly reason: TuttiError };

/**
 * One end of a connection: calls out, replies in, and the other way round.
 *
 * Upholds **D1** (every call ends exactly once; a dead peer ends all its calls with `started` no or maybe), **D2**
 * (the deadline ends a call on this side whatever the other does), **D4** (outstanding calls and buffered bytes are
 * bounded), **D6** (calls, replies and cancellations of one tick travel in one frame each) and **H1**.
 */
export class Peer {
  readonly #transport: Transport;
  readonly #options: PeerOptions;
  readonly #limits: WireLimits;
  readonly #maxOutstanding: number;
  readonly #maxBufferedBytes: number;
  readonly #outstanding = new SlotTable<Outstanding>();
  readonly #clock: Clock;
  readonly #deadlines: DeadlineWatch;
  readonly #opened = Promise.withResolvers<Hello>();
  #state: PeerState = { kind: "greeting" };
  readonly #calls: OutgoingCalls;
  readonly #replies: OutgoingReplies;
  readonly #streams: OutgoingStreams;
  #grants: CreditGrant[] = [];
  #cancels: number[] = [];
  #withdrawals: Withdrawal[] = [];
  #isAsking = false;
  #isAsked = false;
  #flushScheduled = false;
  readonly #hold: CallHold = noHold();
  /** Calls are being held for more. */
  #cancelHold: CancelTimer | undefined;
  readonly #cancelGreetingTimer: CancelTimer;
  readonly #onTurnEnd = () => {
    this.#flushScheduled = false;
    if (this.#mayHoldReplies()) this.#scheduleFlush();
    else this.#flush();
  };

  constructor(transport: Transport, options: PeerOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_WIRE_LIMITS;
    this.#maxOutstanding = Math.min(options.maxOutstanding ?? MAX_SLOTS, MAX_SLOTS);
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 64 * 1024 * 1024;
    this.#clock = options.clock ?? systemClock;
    this.#calls = new OutgoingCalls(this.#limits);
    this.#replies = new OutgoingReplies(this.#limits, this.#clock, () => this.#flush());
    this.#streams = new OutgoingStreams(this.#limits, this.#chunkCarrier());
    this.#deadlines = new DeadlineWatch((nowMs) => this.#expire(nowMs), this.#clock);
    // Whoever does not wait for the greeting learns of a failure by `onClose`.
    this.#opened.promise.catch(() => {});
    transport.start({
      onFrame: (frame) => this.#receive(frame),
      onClose: (reason) => this.#closed(reason),
      onDrain: () => this.#streams.roomAgain(),
    });
    transport.send(encodeHello(options.hello));
    this.#cancelGreetingTimer = this.#clock.afterInBackground(GREETING_TIMEOUT_MS, () => {
      transport.destroy(new TuttiError("ProtocolError", `no hello came within ${GREETING_TIMEOUT_MS} ms`));
    });
  }

  /** The other side's greeting; rejects with `VersionMismatch`, `ProtocolError` or `PeerClosed`. */
  get opened(): Promise<Hello> {
    return this.#opened.promise;
  }

  get isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  get outstandingCalls(): number {
    return this.#outstanding.size;
  }

  /**
   * Sends at the end of the tick, or a few ms later where calls wait long at the other side (H1); returns the id by which the
   * call can be cancelled.
   */
  call(request: CallRequest): number {
    return this.#send(new OutstandingCall(request));
  }

  /** The same for a call that may be answered by a stream. */
  callStream(request: StreamRequest): number {
    return this.#send(new OutstandingStream(request));
  }

  /** Lets the other side send more of a stream: what was taken of it. Without effect once it has ended. */
  grant(id: number, credit: StreamCredit): void {
    const call = this.#outstanding.get(id);
    if (!(call instanceof OutstandingStream) || !call.grant(credit)) return;
    this.#grants.push({ id, ...credit });
    this.#scheduleFlush();
  }

  /** One call for each target, sent and cancelled as one. */
  callMany(request: FanoutRequest): number {
    const parts = request.targets.length;
    if (parts < 1 || parts > MAX_PARTS) {
      throw new TuttiError("Internal", `a call fans out to 1 to ${MAX_PARTS} targets, not to ${parts}`);
    }
    return this.#send(new OutstandingFanout(request));
  }

  /** Ends the call as `Cancelled` here and asks the other side not to start it. Unknown ids are ignored. */
  cancel(id: number): void {
    this.#abandon(
      id,
      new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "maybe" }),
    );
  }

  /**
   * Asks for a part of a call back (see `Withdrawal`). It stays outstanding until the other side says how it ended.
   * Unknown ids are ignored.
   */
  withdraw(withdrawal: Withdrawal): void {
    if (this.#outstanding.get(withdrawal.id) === undefined) return;
    this.#withdrawals.push(withdrawal);
    this.#scheduleFlush();
  }

  /** Asks for a sign of life: a frame of replies, if only an empty one, which `onLoad` is told of. */
  askForLoad(): void {
    if (this.#state.kind === "closed") return;
    this.#isAsking = true;
    this.#scheduleFlush();
  }

  /** Visits what is outstanding; calls may end meanwhile. */
  forEachRequest(visit: (request: RequestFields) => void): void {
    this.#outstanding.forEach((_, call) => {
      if (!(call instanceof OutstandingStream && call.isOver)) visit(call.request);
    });
  }

  /** @param part which target of a call that fanned out. */
  reply(id: number, outcome: CallOutcome, stats: CallStats, part = 0): void {
    if (this.#state.kind === "closed") return;
    this.#replies.add(id, outcome, stats, part);
    this.#replied();
  }

  /** Replies with some rows of a batch's result, which is encoded once for all replies of the tick that share it. */
  replyRows(
    id: number,
    tensors: TensorMap,
    firstRow: number,
    rows: number,
    stats: CallStats,
    part = 0,
  ): void {
    if (this.#state.kind === "closed") return;
    this.#replies.addRows(id, tensors, firstRow, rows, stats, part);
    this.#replied();
  }

  /**
   * Says that a call under suspicion is being begun. At once, and not with the replies: the bytes must have left this
   * process before what may end it.
   */
  begun(id: number, company: number): void {
    if (this.#state.kind !== "closed") this.#transport.send(encodeBegun(id, company));
  }

  /** Begins to answer a call by a stream; its end is the call's reply. */
  openStream(id: number, source: ChunkSource): ChunkWriter {
    if (this.#state.kind === "closed") {
      const { reason } = this.#state;
      queueMicrotask(() => source.onBroken(reason));
    }
    return this.#streams.open(id, source);
  }

  /** Sends what is waiting now, and not at the end of the tick. */
  flush(): void {
    this.#flush();
  }

  /** Sends what is waiting, then ends the connection; outstanding calls end as `PeerClosed`. */
  close(): void {
    this.#flush();
    this.#transport.close();
  }

  #chunkCarrier(): ChunkCarrier {
    const peer = this;
    return {
      // A part of what calls and replies may take: streams are the first to stop.
      get hasRoom() {
        return peer.#transport.bufferedBytes <= peer.#maxBufferedBytes / 4;
      },
      sendNow: () => peer.#flush(),
      sendSoon: () => peer.#scheduleFlush(),
    };
  }

  #replied(): void {
    if (this.#replies.isFull) this.#flush();
    else this.#scheduleFlush();
  }

  #send(call: Outstanding): number {
    const { request } = call;
    let payload: EncodedValue;
    let isHeld: boolean;
    try {
      this.#refuse(request);
      payload = this.#calls.argumentsOf(request);
      if (!this.#calls.hasRoomFor(call, payload)) this.#flush();
      isHeld = this.#mayHoldCall(payload);
      if (isHeld) payload = writtenDown(payload);
    } catch (thrown) {
      const error = withStarted(TuttiError.from(thrown, "NotSerialisable"), "no");
      this.#lost(call, error);
      queueMicrotask(() => call.fail(error));
      return NEVER_SENT;
    }
    const id = this.#outstanding.add(call);
    if (isHeld) this.#calls.addHeld(id, call, payload);
    else this.#calls.add(id, call, payload);
    this.#deadlines.add(request.deadlineAtMs);
    if (this.#calls.isFull) this.#flush();
    else if (!isHeld) this.#scheduleFlush();
    return id;
  }

  /** Where others wait at the other side, this one may wait for more here. If so, its frame leaves by a timer. */
  #mayHoldCall({ bytes }: EncodedValue): boolean {
    if (this.#flushScheduled || bytes > MAX_HELD_BYTES) return false;
    if (this.#cancelHold !== undefined) return true;
    const holdMs = holdMsOf(this.#hold, this.#outstanding.size);
    if (holdMs > 0) this.#cancelHold = this.#clock.after(holdMs, () => this.#flush());
    return holdMs > 0;
  }

  #endHold(): void {
    this.#cancelHold?.();
    this.#cancelHold = undefined;
  }

  /** Throws what keeps the call from being sent at all. */
  #refuse(request: RequestFields): void {
    if (this.#state.kind === "closed") throw this.#state.reason;
    if (this.#outstanding.size >= this.#maxOutstanding) {
      const message = `${this.#outstanding.size} calls are outstanding on one connection`;
      throw new TuttiError("Overloaded", message);
    }
    if (this.#transport.bufferedBytes > this.#maxBufferedBytes) {
      throw new TuttiError("Overloaded", "the other side does not read what it is sent");
    }
    if (request.deadlineAtMs <= this.#clock.now()) {
      throw new TuttiError("DeadlineExceeded", "the deadline passed before the call was sent");
    }
    if (isLongerThanWire(request.method) || isLongerThanWire(request.requestId)) {
      throw new TuttiError("InvalidArgument", `a method or request id is above ${MAX_STRING_BYTES} bytes`);
    }
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#endHold();
    // After the poll phase: everything that this turn of the event loop reads and causes shares one frame.
    this.#clock.onNextTurn(this.#onTurnEnd);
  }

  #mayHoldReplies(): boolean {
    if (this.#replies.isEmpty || this.#options.service?.hasMoreSoon !== true) return false;
    if (!this.#calls.isEmpty || this.#cancels.length > 0) return false;
    if (this.#withdrawals.length > 0 || this.#isAsking || this.#isAsked) return false;
    if (this.#grants.length > 0 || !this.#streams.isEmpty) return false;
    return this.#replies.mayWait;
  }

  #flush(): void {
    if (this.#state.kind === "closed") return;
    this.#endHold();
    if (!this.#calls.isEmpty) this.#flushCalls();
    // Before the replies, which are the ends of streams.
    if (!this.#streams.isEmpty) this.#transport.send(this.#streams.take());
    if (!this.#replies.isEmpty || this.#isAsked) {
      this.#isAsked = false;
      const load = this.#options.service?.loadReport() ?? NO_LOAD;
      this.#transport.send(this.#replies.take(load));
      if (this.#transport.bufferedBytes > this.#maxBufferedBytes) {
        this.#transport.destroy(new TuttiError("ProtocolError", "the other side does not read its replies"));
      }
    }
    while (this.#cancels.length > 0) this.#transport.send(encodeCancel(this.#cancels.splice(0, 65_535)));
    while (this.#grants.length > 0) this.#transport.send(encodeCredit(this.#grants.splice(0, 65_535)));
    if (this.#withdrawals.length > 0 || this.#isAsking) this.#flushWithdrawals();
  }

  #flushWithdrawals(): void {
    this.#isAsking = false;
    do this.#transport.send(encodeWithdraw(this.#withdrawals.splice(0, 65_535)));
    while (this.#withdrawals.length > 0);
  }

  #flushCalls(): void {
    const { entries, payloads } = this.#calls.take((id) => this.#outstanding.get(id));
    if (entries.length === 0) return;
    let frame: Buffer;
    try {
      frame = encodeCalls(entries, payloads, this.#clock.now());
    } catch (thrown) {
      // As with replies; nothing was sent, so nothing has started.
      const error = withStarted(TuttiError.from(thrown, "NotSerialisable"), "no");
      for (const { id } of entries) this.#fail(id, error);
      return;
    }
    this.#transport.send(frame);
    for (const { id } of entries) {
      const call = this.#outstanding.get(id);
      if (call !== undefined) call.isSent = true;
    }
  }

  #receive(frame: Buffer): void {
    if (this.#state.kind === "closed") return;
    const nowMs = this.#clock.now();
    try {
      // Before it is read: nobody who has not said hello makes this end decode anything else.
      if (this.#state.kind === "greeting" && frame[4] !== FrameType.hello) {
        throw new TuttiError("ProtocolError", "a frame came before the hello");
      }
      const message = decodeFrame(frame, this.#limits, nowMs);
      if (message.type === "hello") this.#greet(message.version, message.hello);
      else if (message.type === "calls") this.#serve(message.calls);
      else if (message.type === "replies") {
        this.#options.onLoad?.(message.load);
        this.#settleAll(message.replies, nowMs);
      } else if (message.type === "begun") this.#outstanding.get(message.id)?.begun?.(message.company);
      else if (message.type === "cancel") this.#options.service?.onCancel(message.ids, this);
      else if (message.type === "chunks") for (const chunk of message.chunks) this.#takeChunk(chunk);
      else if (message.type === "credit") {
        for (const grant of message.grants) this.#streams.grant(grant.id, grant);
      } else {
        this.#options.service?.onWithdraw(message.withdrawals, this);
        // Even of nothing: who asks wants to know that this process is alive.
        this.#isAsked = true;
        this.#scheduleFlush();
      }
    } catch (thrown) {
      this.#transport.destroy(TuttiError.from(thrown, "ProtocolError"));
    }
  }

  #greet(version: number, remote: Hello): void {
    if (this.#state.kind !== "greeting") throw new TuttiError("ProtocolError", "a second hello");
    if (version !== PROTOCOL_VERSION) {
      throw new TuttiError(
        "VersionMismatch",
        `${remote.name} speaks protocol version ${version}, this end ${PROTOCOL_VERSION}: run one version of tutti`,
      );
    }
    const { expectedToken } = this.#options;
    if (expectedToken !== undefined && !sameSecret(remote.token, expectedToken)) {
      throw new TuttiError("ProtocolError", `${remote.name} does not belong to this node`);
    }
    this.#cancelGreetingTimer();
    this.#state = { kind: "open", remote };
    this.#opened.resolve(remote);
  }

  #serve(calls: readonly IncomingCall[]): void {
    const { service } = this.#options;
    if (service !== undefined) return service.onCalls(calls, this);
    for (const call of calls) {
      const error = new TuttiError("NotFound", "this end of the connection takes no calls", {
        started: "no",
      });
      const parts = call.targets?.length ?? 1;
      for (let part = 0; part < parts; part++) this.reply(call.id, { ok: false, error }, NO_STATS, part);
    }
  }

  #settleAll(replies: readonly IncomingReply[], nowMs: number): void {
    if (replies.length === 0) return;
    let waitedUs = 0;
    for (const { stats } of replies) waitedUs += stats.queueUs + (stats.waitedUs ?? 0);
    learnWait(this.#hold, waitedUs / 1000 / replies.length);
    for (const reply of replies) this.#settle(reply, nowMs);
  }

  #settle(reply: IncomingReply, nowMs: number): void {
    // Unknown ids are of calls that were cancelled or expired: their answer came too late.
    const call = this.#outstanding.get(reply.id);
    if (call === undefined) {
      if (reply.ok) this.#options.onLoss?.("wasted", 1);
      return;
    }
    const { part, rows, stats } = reply;
    // Before its caller hears of it: who cancels it, or throws, in `onEnd` must not end it again (D1).
    if (call.targets === undefined) this.#outstanding.delete(reply.id);
    const isDone =
      rows !== undefined && call.endRows !== undefined
        ? call.endRows(part, rows, stats, nowMs)
        : call.end(part, toOutcome(reply), stats);
    if (isDone) this.#outstanding.delete(reply.id);
  }

  #takeChunk({ id, value, bytes }: IncomingChunk): void {
    const call = this.#outstanding.get(id);
    // A stream that was given up is still outstanding, until the other side has ended it: this one is none, or had its end.
    if (call === undefined) throw new TuttiError("ProtocolError", "a chunk of no stream that is open came");
    if (!(call instanceof OutstandingStream)) {
      throw new TuttiError("ProtocolError", "a call that takes no stream was answered by one");
    }
    call.receive(value, bytes);
  }

  #fail(id: number, error: TuttiError): void {
    const call = this.#outstanding.get(id);
    if (call === undefined) return;
    this.#outstanding.delete(id);
    call.fail(error);
  }

  #abandon(id: number, error: TuttiError): void {
    const call = this.#outstanding.get(id);
    if (call === undefined) return;
    if (!call.isSent) {
      this.#lost(call, error);
      return this.#fail(id, withStarted(error, "no"));
    }
    if (call instanceof OutstandingStream && call.isOver) return;
    this.#cancels.push(id);
    this.#scheduleFlush();
    // Chunks of a stream may be on their way: it stays until the other side's end of it has come.
    if (call instanceof OutstandingStream) call.fail(error);
    else this.#fail(id, error);
  }

  /** Of a call that was not sent: what is sent is counted by who has it. */
  #lost({ targets }: Outstanding, { code }: TuttiError): void {
    const loss = LOSSES[code];
    if (loss !== undefined) this.#options.onLoss?.(loss, targets?.length ?? 1);
  }

  #expire(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    this.#outstanding.forEach((id, { request: { deadlineAtMs } }) => {
      if (deadlineAtMs <= nowMs) {
        const message = "the deadline passed before the reply came";
        this.#abandon(id, new TuttiError("DeadlineExceeded", message, { started: "maybe" }));
      } else if (deadlineAtMs < earliestMs) earliestMs = deadlineAtMs;
    });
    return earliestMs;
  }

  #closed(thrown: Error | undefined): void {
    const reason =
      thrown instanceof TuttiError
        ? thrown
        : new TuttiError(
            "PeerClosed",
            `the connection ended${thrown === undefined ? "" : `: ${thrown.message}`}`,
            {
              started: "maybe",
            },
          );
    this.#state = { kind: "closed", reason };
    this.#endHold();
    this.#deadlines.close();
    this.#cancelGreetingTimer();
    this.#opened.reject(reason);
    // First of all: a call that fails below may be made anew at once, and must not come back to this connection.
    this.#options.onClose?.(reason);
    this.#streams.close(reason);
    this.#outstanding.forEach((id, { isSent }) => {
      this.#fail(id, new TuttiError("PeerClosed", reason.message, { started: isSent ? "maybe" : "no" }));
    });
  }
}

function toOutcome({ ok, value }: IncomingReply): CallOutcome {
  return ok ? { ok, value } : { ok, error: fromWireError(value) };
}

function isLongerThanWire(text: string): boolean {
  return text.length * 3 > MAX_STRING_BYTES && Buffer.byteLength(text) > MAX_STRING_BYTES;
}

function withStarted(error: TuttiError, started: "no" | "maybe"): TuttiError {
  return new TuttiError(error.code, error.message, { started, cause: error });
}

function sameSecret(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
