import { TuttiError } from "../errors/tutti-error.ts";
import type { Suspicion } from "../policy/suspicion.ts";
import { viewOf } from "./frame-view.ts";
import type { CreditGrant, Hello, LoadReport, Withdrawal } from "./messages.ts";
import {
  alignUp8,
  CALL_BYTES,
  CALLS_HEADER_BYTES,
  CallFlag,
  CHUNKS_HEADER_BYTES,
  COST_BYTES,
  FRAME_HEADER_BYTES,
  FrameType,
  GRANT_BYTES,
  HELLO_MAGIC,
  NO_DEADLINE_US,
  PAYLOAD_ENTRY_BYTES,
  PROTOCOL_VERSION,
  REPLIES_HEADER_BYTES,
  SUSPICION_SHIFT,
  WITHDRAWAL_BYTES,
  WithdrawalFlag,
} from "./protocol.ts";
import { type ReplyTable, toU32 } from "./reply-table.ts";
import { type EncodedValue, encodeValue } from "./value-codec.ts";

/** What the encoder needs to know of a call; `payload` is an index into the frame's payloads. */
export interface CallEntry {
  readonly id: number;
  readonly target: number;
  /** Of a call that fans out. */
  readonly targets?: readonly number[] | undefined;
  readonly method: string;
  readonly requestId: string;
  readonly deadlineAtMs: number;
  readonly priority: number;
  readonly idempotent: boolean;
  readonly lean: boolean;
  readonly suspicion?: Suspicion | undefined;
  readonly takesStream?: boolean;
  readonly payload: number;
}

export function encodeHello(hello: Hello, version = PROTOCOL_VERSION): Buffer {
  const body = encodeValue(hello);
  const frame = Buffer.alloc(alignUp8(FRAME_HEADER_BYTES + 8 + body.bytes));
  writeHeader(frame, FrameType.hello, version);
  frame.writeUInt32LE(HELLO_MAGIC, 8);
  frame.writeUInt32LE(body.bytes, 12);
  body.write(frame, 16);
  return frame;
}

/**
 * Puts the calls of one tick into one frame. Each payload is written once, however many calls name it (D6).
 *
 * @param nowMs the moment the deadlines are turned into remaining time, since clocks of peers are not compared.
 */
export function encodeCalls(
  calls: readonly CallEntry[],
  payloads: readonly EncodedValue[],
  nowMs: number,
): Buffer {
  const strings: string[] = [];
  const stringIndex = new Map<string, number>();
  const intern = (text: string): number => {
    const known = stringIndex.get(text);
    if (known !== undefined) return known;
    strings.push(text);
    stringIndex.set(text, strings.length - 1);
    return strings.length - 1;
  };
  const callsAt = FRAME_HEADER_BYTES + CALLS_HEADER_BYTES;
  const tableAt = callsAt + calls.length * CALL_BYTES;
  const targetsAt = tableAt + payloads.length * PAYLOAD_ENTRY_BYTES;
  const methodRefs = new Uint16Array(calls.length * 2);
  let targetCount = 0;
  for (let i = 0; i < calls.length; i++) {
    const { targets, method, requestId } = calls[i]!;
    targetCount += targets?.length ?? 0;
    methodRefs[i * 2] = intern(method);
    // Calls of one request follow one another; looking for more of them costs more than the few bytes it may save.
    if (i > 0 && requestId === calls[i - 1]!.requestId) methodRefs[i * 2 + 1] = methodRefs[i * 2 - 1]!;
    else methodRefs[i * 2 + 1] = strings.push(requestId) - 1;
  }
  const stringsAt = targetsAt + targetCount * 4;
  let stringBytes = 0;
  for (const text of strings) stringBytes += 2 + Buffer.byteLength(text);
  const payloadsAt = alignUp8(stringsAt + stringBytes);
  const frame = allocate(payloadsAt, payloads);
  const view = viewOf(frame);
  writeHeader(frame, FrameType.calls, strings.length);
  view.setUint32(8, calls.length, true);
  view.setUint32(12, payloads.length, true);
  view.setUint32(16, stringsAt, true);
  view.setUint32(20, targetCount, true);
  let at = callsAt;
  let nextTarget = 0;
  for (let i = 0; i < calls.length; i++, at += CALL_BYTES) {
    const call = calls[i]!;
    const { targets } = call;
    view.setUint32(at, call.id, true);
    view.setUint32(at + 4, targets === undefined ? call.target : nextTarget, true);
    if (targets !== undefined) {
      for (const target of targets) view.setUint32(targetsAt + nextTarget++ * 4, target, true);
    }
    view.setUint32(at + 8, remainingUs(call.deadlineAtMs, nowMs), true);
    view.setUint32(at + 12, call.payload, true);
    view.setUint16(at + 16, methodRefs[i * 2]!, true);
    view.setUint16(at + 18, methodRefs[i * 2 + 1]!, true);
    frame[at + 20] = call.priority;
    frame[at + 21] =
      (call.idempotent ? CallFlag.idempotent : 0) |
      (call.lean ? CallFlag.lean : 0) |
      (call.takesStream ? CallFlag.takesStream : 0) |
      ((call.suspicion ?? 0) << SUSPICION_SHIFT);
    view.setUint16(at + 22, targets?.length ?? 0, true);
  }
  at = stringsAt;
  for (const text of strings) {
    const written = frame.write(text, at + 2);
    view.setUint16(at, written, true);
    at += 2 + written;
  }
  zero(frame, at, payloadsAt);
  writePayloads(frame, tableAt, payloadsAt, payloads);
  return frame;
}

/** Replies of one tick; the results of one batch are one payload, of which each reply names its rows. */
export function encodeReplies(
  replies: ReplyTable,
  payloads: readonly EncodedValue[],
  load: LoadReport,
): Buffer {
  const repliesAt = FRAME_HEADER_BYTES + REPLIES_HEADER_BYTES;
  const tableAt = repliesAt + replies.bytes;
  const costsAt = tableAt + payloads.length * PAYLOAD_ENTRY_BYTES;
  const payloadsAt = costsAt + load.costs.length * COST_BYTES;
  const frame = allocate(payloadsAt, payloads);
  const view = viewOf(frame);
  writeHeader(frame, FrameType.replies, load.costs.length);
  view.setUint32(8, replies.length, true);
  view.setUint32(12, payloads.length, true);
  view.setUint32(16, toU32(load.backlogUs), true);
  view.setUint32(20, toU32(load.queuedItems), true);
  view.setUint32(24, costsAt, true);
  view.setUint32(28, toU32(load.busyFraction * 1000), true);
  replies.writeTo(frame, repliesAt);
  let at = costsAt;
  for (const cost of load.costs) {
    view.setUint32(at, cost.target, true);
    view.setFloat32(at + 4, cost.fixedUs, true);
    view.setFloat32(at + 8, cost.itemUs, true);
    view.setUint32(at + 12, 0, true);
    at += COST_BYTES;
  }
  writePayloads(frame, tableAt, payloadsAt, payloads);
  return frame;
}

export function encodeCancel(ids: readonly number[]): Buffer {
  const frame = Buffer.alloc(alignUp8(FRAME_HEADER_BYTES + ids.length * 4));
  writeHeader(frame, FrameType.cancel, ids.length);
  ids.forEach((id, i) => {
    frame.writeUInt32LE(id, FRAME_HEADER_BYTES + i * 4);
  });
  return frame;
}

export function encodeBegun(id: number, company: number): Buffer {
  const frame = Buffer.alloc(alignUp8(FRAME_HEADER_BYTES + 4));
  writeHeader(frame, FrameType.begun, Math.min(company, 0xffff));
  frame.writeUInt32LE(id, FRAME_HEADER_BYTES);
  return frame;
}

export function encodeWithdraw(withdrawals: readonly Withdrawal[]): Buffer {
  const frame = Buffer.alloc(alignUp8(FRAME_HEADER_BYTES + withdrawals.length * WITHDRAWAL_BYTES));
  writeHeader(frame, FrameType.withdraw, withdrawals.length);
  let at = FRAME_HEADER_BYTES;
  for (const { id, target, part, abort } of withdrawals) {
    frame.writeUInt32LE(id, at);
    frame.writeUInt32LE(target, at + 4);
    frame[at + 8] = part;
    frame[at + 9] = abort ? WithdrawalFlag.abort : 0;
    at += WITHDRAWAL_BYTES;
  }
  return frame;
}

/** Chunks of one tick, of whichever streams. */
export function encodeChunks(ids: readonly number[], payloads: readonly EncodedValue[]): Buffer {
  const tableAt = FRAME_HEADER_BYTES + CHUNKS_HEADER_BYTES;
  const idsAt = tableAt + ids.length * PAYLOAD_ENTRY_BYTES;
  const idsEnd = idsAt + ids.length * 4;
  const payloadsAt = alignUp8(idsEnd);
  const frame = allocate(payloadsAt, payloads);
  writeHeader(frame, FrameType.chunks, 0);
  frame.writeUInt32LE(ids.length, 8);
  frame.writeUInt32LE(0, 12);
  for (let i = 0; i < ids.length; i++) frame.writeUInt32LE(ids[i]!, idsAt + i * 4);
  frame.fill(0, idsEnd, payloadsAt);
  writePayloads(frame, tableAt, payloadsAt, payloads);
  return frame;
}

export function encodeCredit(grants: readonly CreditGrant[]): Buffer {
  const frame = Buffer.alloc(alignUp8(FRAME_HEADER_BYTES + grants.length * GRANT_BYTES));
  writeHeader(frame, FrameType.credit, grants.length);
  grants.forEach(({ id, chunks, bytes }, i) => {
    const at = FRAME_HEADER_BYTES + i * GRANT_BYTES;
    frame.writeUInt32LE(id, at);
    frame.writeUInt32LE(chunks, at + 4);
    frame.writeUInt32LE(bytes, at + 8);
  });
  return frame;
}

function allocate(payloadsAt: number, payloads: readonly EncodedValue[]): Buffer {
  let bytes = payloadsAt;
  for (const payload of payloads) bytes += alignUp8(payload.bytes);
  if (bytes > 0xffff_fff8) throw new TuttiError("NotSerialisable", `a frame of ${bytes} bytes is too large`);
  return Buffer.allocUnsafe(bytes);
}

function writeHeader(frame: Buffer, type: number, count: number): void {
  frame.writeUInt32LE(frame.length, 0);
  frame[4] = type;
  frame[5] = 0;
  frame.writeUInt16LE(count, 6);
}

function writePayloads(
  frame: Buffer,
  tableAt: number,
  start: number,
  payloads: readonly EncodedValue[],
): void {
  const view = viewOf(frame);
  let entryAt = tableAt;
  let at = start;
  for (const payload of payloads) {
    view.setUint32(entryAt, at, true);
    view.setUint32(entryAt + 4, payload.bytes, true);
    view.setUint32(entryAt + 8, payload.kind, true);
    view.setUint32(entryAt + 12, 0, true);
    payload.write(frame, at);
    const end = at + alignUp8(payload.bytes);
    // Pool memory is not cleared: padding must not carry bytes of something else to another process.
    zero(frame, at + payload.bytes, end);
    at = end;
    entryAt += PAYLOAD_ENTRY_BYTES;
  }
}

/** A few bytes at most, for which `fill` would take longer to be called than to do. */
function zero(frame: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at++) frame[at] = 0;
}

function remainingUs(deadlineAtMs: number, nowMs: number): number {
  if (deadlineAtMs === Number.POSITIVE_INFINITY) return NO_DEADLINE_US;
  return Math.min(NO_DEADLINE_US - 1, Math.max(0, Math.round((deadlineAtMs - nowMs) * 1000)));
}
