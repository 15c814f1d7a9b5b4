import { TuttiError } from "../errors/tutti-error.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { viewOf } from "./frame-view.ts";
import type {
  CallStats,
  CostReport,
  CreditGrant,
  Hello,
  IncomingCall,
  IncomingChunk,
  IncomingReply,
  Message,
  RowsOfResult,
  Withdrawal,
} from "./messages.ts";
import {
  CALL_BYTES,
  CALLS_HEADER_BYTES,
  CallFlag,
  CHUNKS_HEADER_BYTES,
  COST_BYTES,
  FRAME_HEADER_BYTES,
  FrameType,
  GRANT_BYTES,
  HELLO_MAGIC,
  MAX_HELLO_BYTES,
  MAX_PARTS,
  NO_DEADLINE_US,
  PAYLOAD_ENTRY_BYTES,
  PayloadKind,
  REPLIES_HEADER_BYTES,
  REPLY_BYTES,
  ReplyFlag,
  ReplyStatus,
  SUSPICION_SHIFT,
  WITHDRAWAL_BYTES,
  type WireLimits,
  WithdrawalFlag,
} from "./protocol.ts";
import { rowsOf, type SliceBudget, sliceRows } from "./slice-rows.ts";
import type { TensorMap } from "./tensor.ts";
import { decodeArguments, decodeValue } from "./value-codec.ts";

const bad = (why: string): TuttiError => new TuttiError("ProtocolError", `frame: ${why}`);

/**
 * Reads one whole frame. Every offset, count and index is compared with the frame's real size before it is used;
 * memory used is bounded by a small multiple of the frame's own size.
 *
 * @param nowMs the moment of arrival, to which remaining times are added.
 * @throws TuttiError `ProtocolError`; the connection that sent it must be closed, since nothing after can be trusted.
 */
export function decodeFrame(frame: Buffer, limits: WireLimits, nowMs: number): Message {
  if (frame.length < FRAME_HEADER_BYTES) throw bad("truncated");
  switch (frame[4]) {
    case FrameType.hello:
      return decodeHello(frame, limits);
    case FrameType.calls:
      return { type: "calls", calls: decodeCalls(frame, limits, nowMs) };
    case FrameType.replies:
      return decodeReplies(frame, limits);
    case FrameType.cancel:
      return { type: "cancel", ids: decodeCancel(frame) };
    case FrameType.begun:
      if (frame.length < FRAME_HEADER_BYTES + 4) throw bad("truncated");
      return { type: "begun", id: frame.readUInt32LE(FRAME_HEADER_BYTES), company: frame.readUInt16LE(6) };
    case FrameType.withdraw:
      return { type: "withdraw", withdrawals: decodeWithdraw(frame) };
    case FrameType.chunks:
      return { type: "chunks", chunks: decodeChunks(frame, limits) };
    case FrameType.credit:
      return { type: "credit", grants: decodeCredit(frame) };
    default:
      throw bad(`type ${frame[4]} is not known here`);
  }
}

function decodeHello(frame: Buffer, limits: WireLimits): Message {
  if (frame.length < 16 || frame.readUInt32LE(8) !== HELLO_MAGIC)
    throw bad("a hello without its magic number");
  const size = frame.readUInt32LE(12);
  if (size > frame.length - 16) throw bad("a truncated hello");
  // Nobody has shown a token yet: what is decoded for them stays small.
  if (size > MAX_HELLO_BYTES) throw bad(`a hello of ${size} bytes is above ${MAX_HELLO_BYTES}`);
  const value = decodeValue(
    PayloadKind.structured,
    frame.subarray(16, 16 + size),
    limits.maxDepth,
  ) as Partial<Hello>;
  if (typeof value?.name !== "string" || typeof value.token !== "string")
    throw bad("a hello without name or token");
  return { type: "hello", version: frame.readUInt16LE(6), hello: { name: value.name, token: value.token } };
}

/** Where the payloads lie; checked as a whole, decoded one by one when first asked for. */
class PayloadTable {
  readonly #frame: Buffer;
  readonly #view: DataView;
  readonly #at: number;
  readonly #count: number;
  readonly #decoded: unknown[] = [];

  constructor(frame: Buffer, view: DataView, at: number, count: number) {
    this.#frame = frame;
    this.#view = view;
    this.#at = at;
    this.#count = count;
    // Payloads that overlapped would be decoded once each: a small frame could ask for any amount of memory.
    let free = at + count * PAYLOAD_ENTRY_BYTES;
    for (let i = 0, entryAt = at; i < count; i++, entryAt += PAYLOAD_ENTRY_BYTES) {
      const offset = view.getUint32(entryAt, true);
      const size = view.getUint32(entryAt + 4, true);
      if (offset % 8 !== 0 || offset < free || size > frame.length - offset) {
        throw bad(
          `a payload of ${size} bytes at ${offset} overlaps or lies outside of its ${frame.length} bytes`,
        );
      }
      free = offset + size;
    }
  }

  bytesOf(index: number): number {
    return this.#view.getUint32(this.#at + index * PAYLOAD_ENTRY_BYTES + 4, true);
  }

  read(
    index: number,
    decode: (kind: number, bytes: Uint8Array, maxDepth: number) => unknown,
    maxDepth: number,
  ) {
    if (index >= this.#count) throw bad(`payload ${index} of ${this.#count}`);
    // A shared argument is decoded once too: all calls that name it see the same object.
    if (this.#decoded[index] !== undefined) return this.#decoded[index];
    const entryAt = this.#at + index * PAYLOAD_ENTRY_BYTES;
    const offset = this.#view.getUint32(entryAt, true);
    const size = this.#view.getUint32(entryAt + 4, true);
    const value = decode(this.#frame[entryAt + 8]!, this.#frame.subarray(offset, offset + size), maxDepth);
    this.#decoded[index] = value;
    return value;
  }
}

function decodeCalls(frame: Buffer, limits: WireLimits, nowMs: number): IncomingCall[] {
  const callsAt = FRAME_HEADER_BYTES + CALLS_HEADER_BYTES;
  if (frame.length < callsAt) throw bad("truncated");
  const view = viewOf(frame);
  const count = view.getUint32(8, true);
  const payloadCount = view.getUint32(12, true);
  if (count > limits.maxFrameEntries || payloadCount > limits.maxFrameEntries)
    throw bad(`${count} calls in one frame`);
  const tableAt = callsAt + count * CALL_BYTES;
  const targetsAt = tableAt + payloadCount * PAYLOAD_ENTRY_BYTES;
  const targetCount = view.getUint32(20, true);
  const stringsAt = view.getUint32(16, true);
  if (stringsAt !== targetsAt + targetCount * 4 || stringsAt > frame.length) throw bad("truncated");
  const strings = decodeStrings(frame, stringsAt, view.getUint16(6, true));
  const payloads = new PayloadTable(frame, view, tableAt, payloadCount);
  const calls = new Array<IncomingCall>(count);
  // Every target in the table is one call's: targets named twice would make a small frame a large amount of work.
  let targetsLeft = targetCount;
  for (let i = 0, at = callsAt; i < count; i++, at += CALL_BYTES) {
    const remainingUs = view.getUint32(at + 8, true);
    const method = strings[view.getUint16(at + 16, true)];
    const requestId = strings[view.getUint16(at + 18, true)];
    if (method === undefined || requestId === undefined) throw bad("a call names a string that is not there");
    const parts = view.getUint16(at + 22, true);
    targetsLeft -= parts;
    if (targetsLeft < 0) throw bad("a call fans out to targets that are not there");
    const flags = frame[at + 21]!;
    if (parts > 0 && (flags & CallFlag.takesStream) !== 0) throw bad("a call that fans out takes a stream");
    const target = view.getUint32(at + 4, true);
    calls[i] = {
      id: view.getUint32(at, true),
      target,
      targets: parts === 0 ? undefined : decodeTargets(view, targetsAt, target, parts, targetCount),
      method,
      requestId,
      deadlineAtMs: remainingUs === NO_DEADLINE_US ? Number.POSITIVE_INFINITY : nowMs + remainingUs / 1000,
      priority: frame[at + 20]!,
      idempotent: (flags & CallFlag.idempotent) !== 0,
      lean: (flags & CallFlag.lean) !== 0,
      suspicion: toSuspicion(flags >> SUSPICION_SHIFT),
      takesStream: (flags & CallFlag.takesStream) !== 0,
      args: payloads.read(
        view.getUint32(at + 12, true),
        decodeArguments,
        limits.maxDepth,
      ) as readonly unknown[],
    };
  }
  return calls;
}

function toSuspicion(bits: number): Suspicion {
  if (bits === Suspicion.none || bits === Suspicion.suspect || bits === Suspicion.alone) return bits;
  throw bad(`suspicion ${bits}`);
}

function decodeTargets(view: DataView, at: number, first: number, parts: number, count: number): number[] {
  if (parts > MAX_PARTS || first + parts > count)
    throw bad(`a call fans out to ${parts} targets from ${first} on`);
  const targets = new Array<number>(parts);
  for (let i = 0; i < parts; i++) targets[i] = view.getUint32(at + (first + i) * 4, true);
  return targets;
}

/** A reply whose value is part of a shared result: cut out when it is asked for, within the frame's budget. */
class RowsReply implements IncomingReply {
  readonly id: number;
  readonly part: number;
  readonly stats: CallStats;
  readonly ok = true;
  readonly rows: RowsOfResult;
  readonly #budget: SliceBudget;

  constructor(id: number, part: number, stats: CallStats, rows: RowsOfResult, budget: SliceBudget) {
    this.id = id;
    this.part = part;
    this.stats = stats;
    this.rows = rows;
    this.#budget = budget;
  }

  get value(): TensorMap {
    return sliceRows(this.rows.tensors, this.rows.firstRow, this.rows.rows, this.#budget);
  }
}

function decodeStrings(frame: Buffer, start: number, count: number): string[] {
  if (count > (frame.length - start) / 2) throw bad(`${count} strings claimed`);
  const strings = new Array<string>(count);
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + 2 > frame.length) throw bad("truncated strings");
    const size = frame.readUInt16LE(at);
    if (size > frame.length - at - 2) throw bad("truncated strings");
    strings[i] = frame.toString("utf8", at + 2, at + 2 + size);
    at += 2 + size;
  }
  return strings;
}

function decodeReplies(frame: Buffer, limits: WireLimits): Message {
  const repliesAt = FRAME_HEADER_BYTES + REPLIES_HEADER_BYTES;
  if (frame.length < repliesAt) throw bad("truncated");
  const view = viewOf(frame);
  const count = view.getUint32(8, true);
  const payloadCount = view.getUint32(12, true);
  const costCount = view.getUint16(6, true);
  if (count > limits.maxFrameEntries || payloadCount > limits.maxFrameEntries)
    throw bad(`${count} replies in one frame`);
  const tableAt = repliesAt + count * REPLY_BYTES;
  const costsAt = view.getUint32(24, true);
  if (
    costsAt !== tableAt + payloadCount * PAYLOAD_ENTRY_BYTES ||
    costsAt + costCount * COST_BYTES > frame.length
  ) {
    throw bad("truncated");
  }
  const payloads = new PayloadTable(frame, view, tableAt, payloadCount);
  // An honest sender's rows do not overlap and hold a byte at least.
  const budget = { left: frame.length };
  const replies = new Array<IncomingReply>(count);
  for (let i = 0, at = repliesAt; i < count; i++, at += REPLY_BYTES) {
    const status = frame[at + 18];
    if (status !== ReplyStatus.value && status !== ReplyStatus.error && status !== ReplyStatus.rows) {
      throw bad(`reply status ${status}`);
    }
    const payload = payloads.read(view.getUint32(at + 4, true), decodeValue, limits.maxDepth);
    const id = view.getUint32(at, true);
    const part = frame[at + 19]!;
    const stats = {
      queueUs: view.getUint32(at + 8, true),
      runUs: view.getUint32(at + 12, true),
      batchItems: view.getUint16(at + 16, true),
      waitedUs: view.getUint32(at + 28, true),
      laneUs: view.getUint32(at + 32, true),
      degraded: (frame[at + 36]! & ReplyFlag.degraded) !== 0,
    };
    if (status === ReplyStatus.rows) {
      const rows = rowsOf(payload, view.getUint32(at + 20, true), view.getUint32(at + 24, true));
      replies[i] = new RowsReply(id, part, stats, rows, budget);
    } else {
      replies[i] = { id, part, stats, ok: status === ReplyStatus.value, value: payload, rows: undefined };
    }
  }
  const costs = new Array<CostReport>(costCount);
  for (let i = 0, at = costsAt; i < costCount; i++, at += COST_BYTES) {
    costs[i] = {
      target: view.getUint32(at, true),
      fixedUs: view.getFloat32(at + 4, true),
      itemUs: view.getFloat32(at + 8, true),
    };
  }
  const load = {
    backlogUs: view.getUint32(16, true),
    queuedItems: view.getUint32(20, true),
    busyFraction: Math.min(1, view.getUint32(28, true) / 1000),
    costs,
  };
  return { type: "replies", replies, load };
}

function decodeWithdraw(frame: Buffer): Withdrawal[] {
  const count = frame.readUInt16LE(6);
  if (count * WITHDRAWAL_BYTES > frame.length - FRAME_HEADER_BYTES) throw bad("truncated");
  return Array.from({ length: count }, (_, i) => {
    const at = FRAME_HEADER_BYTES + i * WITHDRAWAL_BYTES;
    return {
      id: frame.readUInt32LE(at),
      target: frame.readUInt32LE(at + 4),
      part: frame[at + 8]!,
      abort: (frame[at + 9]! & WithdrawalFlag.abort) !== 0,
    };
  });
}

function decodeCancel(frame: Buffer): number[] {
  const count = frame.readUInt16LE(6);
  if (count * 4 > frame.length - FRAME_HEADER_BYTES) throw bad("truncated");
  return Array.from({ length: count }, (_, i) => frame.readUInt32LE(FRAME_HEADER_BYTES + i * 4));
}

function decodeChunks(frame: Buffer, limits: WireLimits): IncomingChunk[] {
  const tableAt = FRAME_HEADER_BYTES + CHUNKS_HEADER_BYTES;
  if (frame.length < tableAt) throw bad("truncated");
  const count = frame.readUInt32LE(8);
  if (count > limits.maxFrameEntries) throw bad(`${count} chunks in one frame`);
  const idsAt = tableAt + count * PAYLOAD_ENTRY_BYTES;
  if (idsAt + count * 4 > frame.length) throw bad("truncated");
  const payloads = new PayloadTable(frame, viewOf(frame), tableAt, count);
  const chunks = new Array<IncomingChunk>(count);
  for (let i = 0; i < count; i++) {
    chunks[i] = {
      id: frame.readUInt32LE(idsAt + i * 4),
      value: payloads.read(i, decodeValue, limits.maxDepth),
      bytes: payloads.bytesOf(i),
    };
  }
  return chunks;
}

function decodeCredit(frame: Buffer): CreditGrant[] {
  const count = frame.readUInt16LE(6);
  if (count * GRANT_BYTES > frame.length - FRAME_HEADER_BYTES) throw bad("truncated");
  const grants = new Array<CreditGrant>(count);
  for (let i = 0, at = FRAME_HEADER_BYTES; i < count; i++, at += GRANT_BYTES) {
    const chunks = frame.readUInt32LE(at + 4);
    // A reader gives back what it has taken: whole chunks, however small.
    if (chunks === 0) throw bad("a grant of no chunk");
    grants[i] = { id: frame.readUInt32LE(at), chunks, bytes: frame.readUInt32LE(at + 8) };
  }
  return grants;
}
