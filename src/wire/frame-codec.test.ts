import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyTensor, anyValue, comparable, text } from "../../test/wire/arbitraries.ts";
import { repliesOf } from "../../test/wire/replies-of.ts";
import { Suspicion } from "../policy/suspicion.ts";
import { decodeFrame } from "./decode-frame.ts";
import {
  type CallEntry,
  encodeBegun,
  encodeCalls,
  encodeCancel,
  encodeChunks,
  encodeCredit,
  encodeHello,
  encodeReplies,
  encodeWithdraw,
} from "./encode-frame.ts";
import type { LoadReport, Message } from "./messages.ts";
import { NO_LOAD } from "./peer.ts";
import {
  DEFAULT_WIRE_LIMITS,
  MAX_HELLO_BYTES,
  MAX_PARTS,
  PROTOCOL_VERSION,
  ReplyStatus,
} from "./protocol.ts";
import { Tensor } from "./tensor.ts";
import { type EncodedValue, encodeArguments, encodeValue } from "./value-codec.ts";

const LIMITS = DEFAULT_WIRE_LIMITS;
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u16 = fc.integer({ min: 0, max: 0xffff });

function decoded<T extends Message["type"]>(frame: Buffer, type: T, nowMs = 0): Message & { type: T } {
  expect(frame.length % 8).toBe(0);
  expect(frame.readUInt32LE(0)).toBe(frame.length);
  const message = decodeFrame(frame, LIMITS, nowMs);
  expect(message.type).toBe(type);
  return message as Message & { type: T };
}

const callWith = (fields: Partial<CallEntry>): CallEntry => ({
  id: 1,
  target: 1,
  method: "run",
  requestId: "",
  deadlineAtMs: Number.POSITIVE_INFINITY,
  priority: 0,
  lean: false,
  idempotent: false,
  payload: 0,
  ...fields,
});

describe("encodeCalls and decodeFrame", () => {
  const anyCall = fc.record({
    id: u32,
    target: u32,
    targets: fc.option(fc.array(u32, { minLength: 1, maxLength: MAX_PARTS }), { nil: undefined }),
    method: text(),
    requestId: text(),
    deadlineAtMs: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 0, max: 3_600_000 })),
    priority: fc.integer({ min: 0, max: 255 }),
    idempotent: fc.boolean(),
    lean: fc.boolean(),
    suspicion: fc.constantFrom(...Object.values(Suspicion)),
    takesStream: fc.boolean(),
    payload: fc.nat(),
  });
  const anyArguments = fc.array(fc.oneof(anyValue, anyTensor()), { maxLength: 3 });

  it("give back any calls, those that share a payload the same arguments", () => {
    fc.assert(
      fc.property(
        fc.array(anyCall, { minLength: 1, maxLength: 12 }),
        fc.array(anyArguments, { minLength: 1, maxLength: 4 }),
        (entries, args) => {
          const calls = entries.map((entry) => ({
            ...entry,
            takesStream: entry.takesStream && entry.targets === undefined,
            payload: entry.payload % args.length,
          }));
          const frame = encodeCalls(
            calls,
            args.map((list) => encodeArguments(list)),
            0,
          );
          const received = decoded(frame, "calls").calls;
          expect(received).toHaveLength(calls.length);
          for (const [i, call] of received.entries()) {
            const { target, targets, payload, ...fields } = calls[i]!;
            expect(call).toMatchObject(fields);
            expect(call.targets).toEqual(targets);
            if (targets === undefined) expect(call.target).toBe(target);
            expect(comparable(call.args)).toEqual(comparable(args[payload]));
          }
          const [a, b] = [0, 1].map((i) =>
            received.filter((_, k) => calls[k]!.payload === i).map((c) => c.args),
          );
          expect([new Set(a).size <= 1, new Set(b).size <= 1]).toEqual([true, true]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("put a deadline on the receiver's clock by what is left of it (D2)", () => {
    const calls = [1_500, 1_000, 999, Number.POSITIVE_INFINITY].map((deadlineAtMs) =>
      callWith({ deadlineAtMs }),
    );
    const frame = encodeCalls(calls, [encodeArguments([])], 1_000);
    const received = decoded(frame, "calls", 77_000).calls;
    expect(received.map((call) => call.deadlineAtMs)).toEqual([
      77_500,
      77_000,
      77_000,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("tell a deadline of days as the longest there is, never as none", () => {
    const frame = encodeCalls([callWith({ deadlineAtMs: 1e9 })], [encodeArguments([])], 0);
    expect(decoded(frame, "calls").calls[0]!.deadlineAtMs).toBeCloseTo(4_294_967.294, 3);
  });

  it("carry no bytes of other memory in their padding", () => {
    const make = () => encodeCalls([callWith({ requestId: "abc" })], [encodeArguments(["x"])], 0);
    const frames = new Set(Array.from({ length: 200 }, () => make().toString("hex")));
    expect(frames.size).toBe(1);
  });
});

describe("encodeReplies and decodeFrame", () => {
  const anyReply = fc.record({
    id: u32,
    part: fc.integer({ min: 0, max: 255 }),
    stats: fc.record({
      queueUs: u32,
      runUs: u32,
      batchItems: u16,
      waitedUs: u32,
      laneUs: u32,
      degraded: fc.boolean(),
    }),
    status: fc.constantFrom(ReplyStatus.value, ReplyStatus.error),
    payload: fc.nat(),
  });
  const anyLoad: fc.Arbitrary<LoadReport> = fc.record({
    backlogUs: u32,
    queuedItems: u32,
    busyFraction: fc.nat(1000).map((permille) => permille / 1000),
    costs: fc.array(fc.record({ target: u32, fixedUs: fc.float(), itemUs: fc.float() }), { maxLength: 5 }),
  });

  it("give back any replies and the load", () => {
    fc.assert(
      fc.property(
        fc.array(anyReply, { minLength: 1, maxLength: 12 }),
        fc.array(fc.oneof(anyValue, anyTensor()), { minLength: 1, maxLength: 4 }),
        anyLoad,
        (entries, values, load) => {
          const replies = entries.map((reply) => ({
            ...reply,
            payload: reply.payload % values.length,
            firstRow: 0,
            rows: 0,
          }));
          const frame = encodeReplies(
            repliesOf(replies),
            values.map((value) => encodeValue(value)),
            load,
          );
          const message = decoded(frame, "replies");
          expect(message.load).toEqual(load);
          for (const [i, reply] of message.replies.entries()) {
            const { id, part, stats, status, payload } = replies[i]!;
            expect(reply).toMatchObject({
              id,
              part,
              stats,
              ok: status === ReplyStatus.value,
              rows: undefined,
            });
            expect(comparable(reply.value)).toEqual(comparable(values[payload]));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("give each reply its rows of a shared result", () => {
    const batch = anyTensor().filter(({ dims }) => dims.length > 0 && dims[0]! > 0);
    fc.assert(
      fc.property(batch, (tensor) => {
        const total = tensor.dims[0]!;
        const replies = Array.from({ length: total }, (_, i) => rowsReply(i, i, 1));
        const message = decoded(
          encodeReplies(repliesOf(replies), [encodeValue({ tensor })], NO_LOAD),
          "replies",
        );
        const rows = message.replies.map((reply) => (reply.value as { tensor: Tensor }).tensor);
        expect(rows.map((row) => row.dims)).toEqual(rows.map(() => [1, ...tensor.dims.slice(1)]));
        const joined = rows.flatMap((row) => (comparable(row) as { data: unknown[] }).data);
        expect(joined).toEqual((comparable(tensor) as { data: unknown[] }).data);
      }),
    );
  });

  it("round times and counts that do not fit to what does", () => {
    const stats = { queueUs: -1, runUs: 1e12, batchItems: 1e6 };
    const reply = { ...rowsReply(1, 0, 0), status: ReplyStatus.value, stats };
    const load = { backlogUs: 1e12, queuedItems: -3, busyFraction: 7, costs: [] };
    const message = decoded(encodeReplies(repliesOf([reply]), [encodeValue(1)], load), "replies");
    expect(message.replies[0]!.stats).toEqual({
      queueUs: 0,
      runUs: 0xffff_ffff,
      batchItems: 0xffff,
      waitedUs: 0,
      // As much as it queued: the sender knows no better.
      laneUs: 0,
      degraded: false,
    });
    expect(message.load).toEqual({ backlogUs: 0xffff_ffff, queuedItems: 0, busyFraction: 1, costs: [] });
  });
});

function rowsReply(id: number, firstRow: number, rows: number) {
  const stats = { queueUs: 1, runUs: 2, batchItems: 3 };
  return { id, part: 0, status: ReplyStatus.rows, stats, payload: 0, firstRow, rows };
}

describe("encodeHello, encodeCancel, encodeWithdraw and decodeFrame", () => {
  it("give back a hello and its version", () => {
    fc.assert(
      fc.property(text(), text(), u16, (name, token, version) => {
        const frame = encodeHello({ name, token }, version);
        expect(decoded(frame, "hello")).toEqual({ type: "hello", version, hello: { name, token } });
      }),
    );
    expect(decoded(encodeHello({ name: "", token: "" }), "hello").version).toBe(PROTOCOL_VERSION);
  });

  it("give back the ids of a cancellation", () => {
    fc.assert(
      fc.property(fc.array(u32, { maxLength: 50 }), (ids) => {
        expect(decoded(encodeCancel(ids), "cancel").ids).toEqual(ids);
      }),
    );
  });

  it("give back what is said of a call that begins", () => {
    fc.assert(
      fc.property(u32, u16, (id, company) => {
        expect(decoded(encodeBegun(id, company), "begun")).toEqual({ type: "begun", id, company });
      }),
    );
    expect(decoded(encodeBegun(1, 70_000), "begun").company).toBe(0xffff);
  });

  it("give back withdrawals, if only none", () => {
    const part = fc.integer({ min: 0, max: 255 });
    const withdrawal = fc.record({ id: u32, target: u32, part, abort: fc.boolean() });
    fc.assert(
      fc.property(fc.array(withdrawal, { maxLength: 50 }), (withdrawals) => {
        const frame = encodeWithdraw(withdrawals);
        expect(frame.length % 8).toBe(0);
        expect(decoded(frame, "withdraw").withdrawals).toEqual(withdrawals);
      }),
    );
  });
});

describe("encodeChunks, encodeCredit and decodeFrame", () => {
  it("give back any chunks in their order, each with what it uses of its stream's credit", () => {
    const anyChunk = fc.record({ id: u32, value: fc.oneof(anyValue, anyTensor()) });
    fc.assert(
      fc.property(fc.array(anyChunk, { maxLength: 20 }), (sent) => {
        const payloads = sent.map(({ value }) => encodeValue(value));
        const frame = encodeChunks(
          sent.map(({ id }) => id),
          payloads,
        );
        const { chunks } = decoded(frame, "chunks");
        expect(chunks.map(({ id, bytes }) => ({ id, bytes }))).toEqual(
          sent.map(({ id }, i) => ({ id, bytes: payloads[i]!.bytes })),
        );
        expect(chunks.map(({ value }) => comparable(value))).toEqual(
          sent.map(({ value }) => comparable(value)),
        );
      }),
      { numRuns: 200 },
    );
  });

  it("carry no bytes of other memory in their padding", () => {
    const make = () => encodeChunks([7], [encodeValue("abc")]);
    expect(new Set(Array.from({ length: 200 }, () => make().toString("hex"))).size).toBe(1);
  });

  it("give back any grants", () => {
    const anyGrant = fc.record({ id: u32, chunks: fc.integer({ min: 1, max: 0xffff_ffff }), bytes: u32 });
    fc.assert(
      fc.property(fc.array(anyGrant, { maxLength: 50 }), (grants) => {
        expect(decoded(encodeCredit(grants), "credit").grants).toEqual(grants);
      }),
    );
  });

  it("refuse a grant of nothing", () => {
    const frame = encodeCredit([{ id: 1, chunks: 0, bytes: 9 }]);
    expect(() => decodeFrame(frame, LIMITS, 0)).toThrow("a grant of no chunk");
  });

  it("refuse more chunks, or grants, than the frame can hold", () => {
    const chunks = encodeChunks([1], [encodeValue(1)]);
    for (const count of [2, 0xffff, 0x1_0000, 0xffff_ffff]) {
      chunks.writeUInt32LE(count, 8);
      expect(() => decodeFrame(chunks, LIMITS, 0)).toThrow(
        expect.objectContaining({ code: "ProtocolError" }),
      );
    }
    const credit = encodeCredit([{ id: 1, chunks: 1, bytes: 1 }]);
    credit.writeUInt16LE(2, 6);
    expect(() => decodeFrame(credit, LIMITS, 0)).toThrow("truncated");
  });
});

describe("decodeFrame", () => {
  it("refuses a suspicion that there is not, and a truncated word of a beginning", () => {
    const frame = encodeCalls([callWith({})], [encodeArguments([])], 0);
    frame[24 + 21] = 0b1100_0000;
    expect(() => decodeFrame(frame, LIMITS, 0)).toThrow("suspicion 3");
    expect(() => decodeFrame(encodeBegun(1, 0).subarray(0, 8), LIMITS, 0)).toThrow("truncated");
  });

  const refused = expect.objectContaining({ code: "ProtocolError" });

  it("refuses a hello of more than its bound, since its sender has shown no token", () => {
    const frame = encodeHello({ name: "x".repeat(MAX_HELLO_BYTES), token: "" });
    expect(() => decodeFrame(frame, LIMITS, 0)).toThrow("is above 4096");
  });

  it("refuses payloads that overlap, since each would be decoded", () => {
    const large: EncodedValue = encodeValue(new Array(1_000).fill({}));
    const calls = [callWith({ payload: 0 }), callWith({ payload: 1 })];
    const frame = encodeCalls(calls, [encodeArguments([large.bytes]), large], 0);
    const tableAt = 8 + 16 + 2 * 24;
    frame.copy(frame, tableAt, tableAt + 16, tableAt + 32);
    expect(() => decodeFrame(frame, LIMITS, 0)).toThrow(/overlaps/);
  });

  it("refuses more withdrawals than a frame holds", () => {
    const frame = encodeWithdraw([{ id: 1, target: 1, part: 0, abort: false }]);
    frame.writeUInt16LE(2, 6);
    expect(() => decodeFrame(frame, LIMITS, 0)).toThrow(refused);
  });

  it("refuses 65,535 calls in a frame too small to hold them", () => {
    const frame = encodeCalls([callWith({})], [encodeArguments([])], 0);
    for (const count of [2, 0xffff, 0x1_0000, 0xffff_ffff]) {
      const lie = Buffer.from(frame);
      lie.writeUInt32LE(count, 8);
      expect(() => decodeFrame(lie, LIMITS, 0)).toThrow(refused);
    }
  });

  it("refuses calls that fan out to the same targets again and again", () => {
    const calls = Array.from({ length: 100 }, (_, i) => callWith({ id: i, targets: [1, 2, 3] }));
    const frame = encodeCalls(calls, [encodeArguments([])], 0);
    const honest = decodeFrame(frame, LIMITS, 0);
    expect(honest.type === "calls" && honest.calls.length).toBe(100);
    // The first call's parts become 30: 27 more than there are targets for.
    frame.writeUInt16LE(30, 24 + 22);
    expect(() => decodeFrame(frame, LIMITS, 0)).toThrow("targets that are not there");
  });

  it("refuses a call that fans out and takes a stream", () => {
    const frame = encodeCalls([callWith({ targets: [1], takesStream: true })], [encodeArguments([])], 0);
    expect(() => decodeFrame(frame, LIMITS, 0)).toThrow("fans out takes a stream");
  });

  it("refuses replies that together name more rows than their frame can hold", () => {
    // Rows of no bytes in 1,000 tensors, named by 2,000 replies: two million tensors asked of a frame of 100 KB.
    const names = Array.from({ length: 1_000 }, (_, i) => `t${i}`);
    const empty = new Tensor("float32", new Float32Array(0), [4, 0]);
    const tensors = Object.fromEntries(names.map((name) => [name, empty]));
    const replies = Array.from({ length: 2_000 }, (_, i) => rowsReply(i, 0, 4));
    const frame = encodeReplies(repliesOf(replies), [encodeValue(tensors)], NO_LOAD);
    expect(() => {
      const message = decodeFrame(frame, LIMITS, 0);
      if (message.type === "replies") for (const reply of message.replies) void reply.value;
    }).toThrow("more rows are named than their frame can hold");
  });

  it("refuses rows of a value that is no map of tensors, or one of more tensors than a map may have", () => {
    const tensor = new Tensor("int8", new Int8Array(1), [1]);
    const many = Object.fromEntries(Array.from({ length: 1_025 }, (_, i) => [`t${i}`, tensor]));
    for (const value of [[1], "text", null, { tensor, other: 1 }, many]) {
      const frame = encodeReplies(repliesOf([rowsReply(1, 0, 1)]), [encodeValue(value)], NO_LOAD);
      expect(() => decodeFrame(frame, LIMITS, 0)).toThrow(refused);
    }
  });

  it("refuses replies that all copy the same strings", () => {
    const strings = new Tensor("string", new Array(10_000).fill(""), [10_000]);
    const replies = Array.from({ length: 1_000 }, (_, i) => rowsReply(i, 0, 10_000));
    const frame = encodeReplies(repliesOf(replies), [encodeValue({ strings })], NO_LOAD);
    expect(() => {
      const message = decodeFrame(frame, LIMITS, 0);
      if (message.type === "replies") for (const reply of message.replies) void reply.value;
    }).toThrow("more rows are named than their frame can hold");
  });
});
