import { timingSafeEqual } from "node:crypto";
import { fromWireError, TuttiError, toWireError } from "../errors/tutti-error.ts";
import { DeadlineWatch } from "./deadline-watch.ts";
import { decodeFrame } from "./decode-frame.ts";
import {
  type CallEntry,
  encodeCalls,
  encodeCancel,
  encodeHello,
  encodeReplies,
  type ReplyEntry,
} from "./encode-frame.ts";
import {
  type CallOutcome,
  type CallStats,
  type Hello,
  type IncomingCall,
  type IncomingReply,
  type LoadReport,
  NO_STATS,
} from "./messages.ts";
import { DEFAULT_WIRE_LIMITS, PROTOCOL_VERSION, ReplyStatus, type WireLimits } from "./protocol.ts";
import { Tensor, type TensorMap } from "./tensor.ts";
import type { Transport } from "./transport.ts";
import { type EncodedValue, encodeArguments, encodeValue } from "./value-codec.ts";

/** A call to be made. The same `args` list given to several calls of a tick is encoded once (D6). */
export interface CallRequest {
  readonly target: number;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly requestId: string;
  /** Absolute, on `performance.now()`'s scale; `Infinity` for none. */
  readonly deadlineAtMs: number;
  readonly priority: number;
  readonly idempotent: boolean;
  /** Called exactly once (D1), never from inside `call` itself. */
  onEnd(outcome: CallOutcome, stats: CallStats): void;
}

/** What a peer does for those that call it. All of it runs on the event loop; nothing here may throw. */
export interface PeerService {
  onCalls(calls: readonly IncomingCall[], from: Peer): void;
  onCancel(ids: readonly number[], from: Peer): void;
  /** Read when a frame of replies leaves. */
  loadReport(): LoadReport;
}

export interface PeerOptions {
  readonly hello: Hello;
  /** The token a dialler must show; a listener sets it, a dialler does not. */
  readonly expectedToken?: string;
  readonly service?: PeerService;
  readonly limits?: WireLimits;
  /** Calls outstanding before new ones are refused. Default 65,536. */
  readonly maxOutstanding?: number;
  /** Bytes written but not taken by the other side before calls are refused. Default 64 MiB. */
  readonly maxBufferedBytes?: number;
  readonly onLoad?: (load: LoadReport) => void;
  readonly onClose?: (reason: TuttiError) => void;
}

export const NO_LOAD: LoadReport = Object.freeze({ backlogUs: 0, queuedItems: 0, costs: [] });

type PeerState =
  | { readonly kind: "greeting" }
  | { readonly kind: "open"; readonly remote: Hello }
  | { readonly kind: "closed"; readonly reason: TuttiError };

interface Outstanding {
  readonly request: CallRequest;
  readonly payload: EncodedValue;
}

/**
 * One end of a connection: calls out, replies in, and the other way round.
 *
 * Upholds **D1** (every call ends exactly once; a dead peer ends all its calls with `started` no or maybe), **D2**
 * (the deadline ends a call on this side whatever the other does), **D4** (outstanding calls and buffered bytes are
 * bounded) and **D6** (calls, replies and cancellations of one tick travel in one frame each).
 */
export class Peer {
  readonly #transport: Transport;
  readonly #options: PeerOptions;
  readonly #limits: WireLimits;
  readonly #maxOutstanding: number;
  readonly #maxBufferedBytes: number;
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #deadlines = new DeadlineWatch((nowMs) => this.#expire(nowMs));
  readonly #payloadOf = new Map<unknown, EncodedValue>();
  readonly #replyPayloads: EncodedValue[] = [];
  readonly #rowsPayloadOf = new Map<TensorMap, number>();
  readonly #opened = Promise.withResolvers<Hello>();
  #state: PeerState = { kind: "greeting" };
  #nextId = 1;
  #firstUnsentId = 1;
  #unsent: number[] = [];
  #unsentBytes = 0;
  #replies: ReplyEntry[] = [];
  #replyBytes = 0;
  #cancels: number[] = [];
  #flushScheduled = false;

  constructor(transport: Transport, options: PeerOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_WIRE_LIMITS;
    this.#maxOutstanding = options.maxOutstanding ?? 65_536;
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 64 * 1024 * 1024;
    // Whoever does not wait for the greeting learns of a failure by `onClose`.
    this.#opened.promise.catch(() => {});
    transport.start({
      onFrame: (frame) => this.#receive(frame),
      onClose: (reason) => this.#closed(reason),
    });
    transport.send(encodeHello(options.hello));
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

  /** Sends at the end of the tick; returns the id by which the call can be cancelled. */
  call(request: CallRequest): number {
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      queueMicrotask(() => request.onEnd({ ok: false, error: refusal }, NO_STATS));
      return id;
    }
    // Tensors are immutable by contract, so that one given to many calls is one payload; other values are not.
    const shared =
      request.args.length === 1 && request.args[0] instanceof Tensor ? request.args[0] : request.args;
    let payload = this.#payloadOf.get(shared);
    if (payload === undefined) {
      try {
        payload = encodeArguments(request.args);
        if (payload.bytes > this.#limits.maxFrameBytes / 2) {
          const limit = this.#limits.maxFrameBytes / 2;
          throw new TuttiError("PayloadTooLarge", `arguments of ${payload.bytes} bytes are above ${limit}`);
        }
      } catch (thrown) {
        const error = withStarted(TuttiError.from(thrown), "no");
        queueMicrotask(() => request.onEnd({ ok: false, error }, NO_STATS));
        return id;
      }
      if (this.#unsentBytes + payload.bytes > this.#limits.maxFrameBytes / 2) this.#flush();
      this.#payloadOf.set(shared, payload);
      this.#unsentBytes += payload.bytes;
    }
    this.#outstanding.set(id, { request, payload });
    this.#unsent.push(id);
    this.#deadlines.add(request.deadlineAtMs);
    if (this.#unsent.length >= this.#limits.maxFrameEntries) this.#flush();
    else this.#scheduleFlush();
    return id;
  }

  /** Ends the call as `Cancelled` here and asks the other side not to start it. Unknown ids are ignored. */
  cancel(id: number): void {
    this.#abandon(
      id,
      new TuttiError("Cancelled", "the call was cancelled by its caller", { started: "maybe" }),
    );
  }

  reply(id: number, outcome: CallOutcome, stats: CallStats): void {
    if (this.#state.kind === "closed") return;
    const { status, encoded } = this.#encodeOutcome(outcome);
    const payload = this.#addReplyPayload(encoded);
    this.#addReply({ id, status, stats, payload, firstRow: 0, rows: 0 });
  }

  /** Replies with some rows of a batch's result, which is encoded once for all replies of the tick that share it. */
  replyRows(id: number, tensors: TensorMap, firstRow: number, rows: number, stats: CallStats): void {
    if (this.#state.kind === "closed") return;
    let payload = this.#rowsPayloadOf.get(tensors);
    if (payload === undefined) {
      const { status, encoded } = this.#encodeOutcome({ ok: true, value: tensors });
      payload = this.#addReplyPayload(encoded);
      if (status === ReplyStatus.error)
        return this.#addReply({ id, status, stats, payload, firstRow: 0, rows: 0 });
      this.#rowsPayloadOf.set(tensors, payload);
    }
    this.#addReply({ id, status: ReplyStatus.rows, stats, payload, firstRow, rows });
  }

  /** Sends what is waiting, then ends the connection; outstanding calls end as `PeerClosed`. */
  close(): void {
    this.#flush();
    this.#transport.close();
  }

  #addReplyPayload(encoded: EncodedValue): number {
    if (this.#replyBytes + encoded.bytes > this.#limits.maxFrameBytes / 2) this.#flush();
    this.#replyBytes += encoded.bytes;
    return this.#replyPayloads.push(encoded) - 1;
  }

  #addReply(entry: ReplyEntry): void {
    this.#replies.push(entry);
    if (this.#replies.length >= this.#limits.maxFrameEntries) this.#flush();
    else this.#scheduleFlush();
  }

  #encodeOutcome(outcome: CallOutcome): { status: ReplyEntry["status"]; encoded: EncodedValue } {
    if (!outcome.ok) return { status: ReplyStatus.error, encoded: encodeError(outcome.error) };
    try {
      const encoded = encodeValue(outcome.value);
      const limit = this.#limits.maxFrameBytes / 2;
      if (encoded.bytes <= limit) return { status: ReplyStatus.value, encoded };
      throw new TuttiError("PayloadTooLarge", `a result of ${encoded.bytes} bytes is above ${limit}`, {
        status: 500,
      });
    } catch (thrown) {
      return { status: ReplyStatus.error, encoded: encodeError(TuttiError.from(thrown)) };
    }
  }

  #refusal(request: CallRequest): TuttiError | undefined {
    if (this.#state.kind === "closed") return withStarted(this.#state.reason, "no");
    if (this.#outstanding.size >= this.#maxOutstanding) {
      return new TuttiError(
        "Overloaded",
        `${this.#outstanding.size} calls are outstanding on one connection`,
        {
          started: "no",
        },
      );
    }
    if (this.#transport.bufferedBytes > this.#maxBufferedBytes) {
      return new TuttiError("Overloaded", "the other side does not read what it is sent", { started: "no" });
    }
    if (request.deadlineAtMs <= performance.now()) {
      return new TuttiError("DeadlineExceeded", "the deadline passed before the call was sent", {
        started: "no",
      });
    }
    return undefined;
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    // After the poll phase: everything that this turn of the event loop reads and causes shares one frame.
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#state.kind === "closed") return;
    if (this.#unsent.length > 0) this.#flushCalls();
    if (this.#replies.length > 0) {
      const load = this.#options.service?.loadReport() ?? NO_LOAD;
      this.#transport.send(encodeReplies(this.#replies, this.#replyPayloads, load));
      this.#replies = [];
      this.#replyPayloads.length = 0;
      this.#rowsPayloadOf.clear();
      this.#replyBytes = 0;
      if (this.#transport.bufferedBytes > this.#maxBufferedBytes) {
        this.#transport.destroy(new TuttiError("ProtocolError", "the other side does not read its replies"));
      }
    }
    while (this.#cancels.length > 0) this.#transport.send(encodeCancel(this.#cancels.splice(0, 65_535)));
  }

  #flushCalls(): void {
    const entries: CallEntry[] = [];
    const payloads: EncodedValue[] = [];
    const indexOf = new Map<EncodedValue, number>();
    for (const id of this.#unsent) {
      const call = this.#outstanding.get(id);
      if (call === undefined) continue; // cancelled or expired in the same tick: it never leaves
      let payload = indexOf.get(call.payload);
      if (payload === undefined) {
        payload = payloads.push(call.payload) - 1;
        indexOf.set(call.payload, payload);
      }
      const { target, method, requestId, deadlineAtMs, priority, idempotent } = call.request;
      entries.push({ id, target, method, requestId, deadlineAtMs, priority, idempotent, payload });
    }
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#payloadOf.clear();
    this.#firstUnsentId = this.#nextId;
    if (entries.length > 0) this.#transport.send(encodeCalls(entries, payloads, performance.now()));
  }

  #receive(frame: Buffer): void {
    if (this.#state.kind === "closed") return;
    try {
      const message = decodeFrame(frame, this.#limits, performance.now());
      if (message.type === "hello") this.#greet(message.version, message.hello);
      else if (this.#state.kind === "greeting")
        throw new TuttiError("ProtocolError", "a frame came before the hello");
      else if (message.type === "calls") this.#serve(message.calls);
      else if (message.type === "replies") {
        this.#options.onLoad?.(message.load);
        for (const reply of message.replies) this.#settle(reply);
      } else this.#options.service?.onCancel(message.ids, this);
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
      this.reply(call.id, { ok: false, error }, NO_STATS);
    }
  }

  #settle(reply: IncomingReply): void {
    const call = this.#outstanding.get(reply.id);
    if (call === undefined) return; // it was cancelled or expired: its answer came too late
    this.#outstanding.delete(reply.id);
    const outcome: CallOutcome = reply.ok
      ? { ok: true, value: reply.value }
      : { ok: false, error: fromWireError(reply.value) };
    call.request.onEnd(outcome, reply.stats);
  }

  #abandon(id: number, error: TuttiError): void {
    const call = this.#outstanding.get(id);
    if (call === undefined) return;
    this.#outstanding.delete(id);
    if (this.#wasSent(id)) {
      this.#cancels.push(id);
      this.#scheduleFlush();
    }
    call.request.onEnd({ ok: false, error: this.#wasSent(id) ? error : withStarted(error, "no") }, NO_STATS);
  }

  /** Ids only grow (but for one wrap in 4 billion calls), so those of the unsent tick are the largest. */
  #wasSent(id: number): boolean {
    return id < this.#firstUnsentId;
  }

  #expire(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const [id, { request }] of this.#outstanding) {
      if (request.deadlineAtMs <= nowMs) {
        this.#abandon(
          id,
          new TuttiError("DeadlineExceeded", "the deadline passed before the reply came", {
            started: "maybe",
          }),
        );
      } else if (request.deadlineAtMs < earliestMs) earliestMs = request.deadlineAtMs;
    }
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
    this.#deadlines.close();
    this.#opened.reject(reason);
    const ended = [...this.#outstanding];
    this.#outstanding.clear();
    for (const [id, { request }] of ended) {
      const error = new TuttiError("PeerClosed", reason.message, {
        started: this.#wasSent(id) ? "maybe" : "no",
      });
      request.onEnd({ ok: false, error }, NO_STATS);
    }
    this.#options.onClose?.(reason);
  }
}

function encodeError(error: TuttiError): EncodedValue {
  try {
    return encodeValue(toWireError(error));
  } catch {
    // `details` are the application's: when they cannot travel, the rest still must.
    return encodeValue({ ...toWireError(error), details: undefined });
  }
}

function withStarted(error: TuttiError, started: "no" | "maybe"): TuttiError {
  return new TuttiError(error.code, error.message, { started, cause: error });
}

function sameSecret(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
