import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { mutate, validFrames } from "../../test/wire/frame-mutations.ts";
import { repliesOf } from "../../test/wire/replies-of.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { seededRandom } from "../policy/seeded-random.ts";
import { decodeFrame } from "./decode-frame.ts";
import { encodeCalls, encodeChunks, encodeReplies } from "./encode-frame.ts";
import { type Message, NO_STATS } from "./messages.ts";
import { NO_LOAD } from "./peer.ts";
import { DEFAULT_WIRE_LIMITS, PayloadKind, ReplyStatus, SINGLE_ARGUMENT } from "./protocol.ts";
import { Tensor } from "./tensor.ts";
import { type EncodedValue, encodeArguments, encodeValue } from "./value-codec.ts";

const CASES = 40_000;
const SEED = Number(process.env["TUTTI_FUZZ_SEED"] ?? 20_261_122);
/** What one frame of a few KB may make the decoder allocate, garbage included. */
const MAX_CASE_BYTES = 1 << 20;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const memoryBytes = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** Everything a receiver would read; the rows of a reply are made only then. */
function readAll(message: Message): unknown {
  if (message.type !== "replies") return message;
  return message.replies.map((reply) => reply.value);
}

/** `decoded`, the code of the refusal, or what went wrong. */
function outcomeOf(frame: Buffer): string {
  try {
    readAll(decodeFrame(frame, DEFAULT_WIRE_LIMITS, 0));
    return "decoded";
  } catch (thrown) {
    if (thrown instanceof TuttiError) return thrown.code;
    return `threw ${thrown instanceof Error ? thrown.stack : String(thrown)}`;
  }
}

function callWith(payload: EncodedValue): Buffer {
  const call = {
    id: 1,
    target: 1,
    method: "run",
    requestId: "",
    deadlineAtMs: 0,
    priority: 0,
    lean: false,
    idempotent: false,
    payload: 0,
  };
  return encodeCalls([call], [payload], 0);
}

const rawPayload = (
  bytes: Uint8Array,
  kind: number = PayloadKind.structured | SINGLE_ARGUMENT,
): EncodedValue => ({
  kind,
  bytes: bytes.length,
  write: (out, at) => out.set(bytes, at),
});

describe("decodeFrame on frames that are not what they say", () => {
  it(`decodes each of ${CASES.toLocaleString("en")} mutated frames or refuses it as ProtocolError, within bounds`, () => {
    const random = seededRandom(SEED);
    const corpus = validFrames();
    for (const frame of corpus) expect(outcomeOf(Buffer.from(frame))).toBe("decoded");
    const prototypes = [
      Object.prototype,
      Array.prototype,
      Tensor.prototype,
      Map.prototype,
      Function.prototype,
    ];
    const keysBefore = prototypes.map((prototype) => Reflect.ownKeys(prototype));
    const outcomes = new Map<string, number>();
    let largest = { bytes: 0, how: "" };
    let slowest = { ms: 0, how: "" };
    for (let i = 0; i < CASES; i++) {
      const { frame, how } = mutate(corpus[i % corpus.length]!, random);
      const [bytesBefore, cpuBefore] = [memoryBytes(), process.cpuUsage()];
      const outcome = outcomeOf(frame);
      // Processor time: how long the machine had others in it is not the decoder's.
      const { user, system } = process.cpuUsage(cpuBefore);
      const [bytes, ms] = [memoryBytes() - bytesBefore, (user + system) / 1000];
      if (bytes > largest.bytes) largest = { bytes, how };
      if (ms > slowest.ms) slowest = { ms, how };
      if (outcome !== "decoded" && outcome !== "ProtocolError") {
        throw new Error(`seed ${SEED}, case ${i} (${how}): ${outcome}\n${frame.toString("hex")}`);
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    // Both happen often, or the mutations test nothing.
    expect(outcomes.get("decoded")).toBeGreaterThan(CASES / 20);
    expect(outcomes.get("ProtocolError")).toBeGreaterThan(CASES / 4);
    expect(largest.bytes, largest.how).toBeLessThan(MAX_CASE_BYTES);
    expect(slowest.ms, slowest.how).toBeLessThan(1_000);
    expect(prototypes.map((prototype) => Reflect.ownKeys(prototype))).toEqual(keysBefore);
  });

  it("keeps nothing of the frames it refused", () => {
    const random = seededRandom(SEED + 1);
    const corpus = validFrames();
    const run = () => {
      for (let i = 0; i < 2_000; i++) outcomeOf(mutate(corpus[i % corpus.length]!, random).frame);
      collectGarbage();
      return memoryBytes();
    };
    const warm = Math.max(run(), run());
    expect(run() - warm).toBeLessThan(2 << 20);
  });

  it("refuses every strict prefix of a frame, or reads it without an error of another kind", () => {
    for (const frame of validFrames()) {
      for (let end = 0; end < frame.length; end++) {
        expect(["decoded", "ProtocolError"]).toContain(outcomeOf(Buffer.from(frame.subarray(0, end))));
      }
    }
  });

  it("refuses all types that it does not know", () => {
    for (let type = 0; type < 256; type++) {
      if (type >= 1 && type <= 8) continue;
      const frame = Buffer.alloc(64);
      frame.writeUInt32LE(64, 0);
      frame[4] = type;
      expect(outcomeOf(frame)).toBe("ProtocolError");
    }
  });

  it.each([
    ["arrays", [0x91]],
    ["maps", [0x81, 0xa1, 0x61]],
    ["maps as keys", [0x81]],
  ])("refuses a megabyte of nested %s", (_, level) => {
    const nested = Buffer.alloc(1 << 20, Buffer.from(level));
    expect(outcomeOf(callWith(rawPayload(nested)))).toBe("ProtocolError");
  });

  it("sets no prototype from names in maps of tensors, in keys, or in an error's fields", () => {
    const pollution = Buffer.from(JSON.stringify({ polluted: true }));
    const keys = ["__proto__", "constructor", "prototype", "hasOwnProperty"];
    for (const key of keys) {
      const map = Buffer.concat([
        Buffer.of(0x81, 0xa0 + key.length),
        Buffer.from(key),
        Buffer.of(0x81, 0xa8),
      ]);
      const bytes = Buffer.concat([map, Buffer.from("polluted"), Buffer.of(0xc3)]);
      outcomeOf(callWith(rawPayload(bytes)));
      const tensors = { ["x".repeat(key.length)]: new Tensor("uint8", pollution, [pollution.length]) };
      const encoded = encodeArguments([tensors]);
      const payload = Buffer.alloc(encoded.bytes);
      encoded.write(payload, 0);
      payload.write(key, 10);
      outcomeOf(callWith(rawPayload(payload, encoded.kind)));
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.hasOwn(Object.prototype, "__proto__")).toBe(true);
  });

  it("decodes what many calls share once: 30,000 calls with one argument cost what their own entries do", () => {
    const value = encodeArguments([Array.from({ length: 1_000 }, (_, i) => ({ i }))]);
    const calls = Array.from({ length: 30_000 }, (_, id) => ({
      id,
      target: 1,
      method: "run",
      requestId: "",
      deadlineAtMs: 0,
      priority: 0,
      lean: false,
      idempotent: false,
      payload: 0,
    }));
    const frame = encodeCalls(calls, [value], 0);
    expect(decodedBytesOf(frame) / frame.length).toBeLessThan(16);
  });

  it("takes at most 128 bytes for each byte of a frame, whatever is densest in it", () => {
    const arrayOf = (item: number[]) => {
      const count = 60_000;
      const items = Buffer.alloc(count * item.length, Buffer.from(item));
      return Buffer.concat([Buffer.of(0xdc, count >> 8, count & 0xff), items]);
    };
    const emptyTensor = [0xd8, 0x54, 0, 1, ...new Array(14).fill(0)];
    const payloads: Record<string, EncodedValue> = {
      "empty maps": rawPayload(arrayOf([0x80])),
      "empty arrays": rawPayload(arrayOf([0x90])),
      "empty typed arrays": rawPayload(arrayOf([0xd4, 0x41, 0x01])),
      dates: rawPayload(arrayOf([0xd4, 0xff, 0x00])),
      "empty bytes": rawPayload(arrayOf([0xc4, 0x00])),
      "tiny integers as bigints": rawPayload(arrayOf([0xd3, 0, 0, 0, 0, 0, 0, 0, 1])),
      doubles: rawPayload(arrayOf([0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 1])),
      "empty tensors": rawPayload(arrayOf(emptyTensor)),
      "empty strings in a tensor": rawPayload(
        Buffer.concat([
          Buffer.of(12, 1, 0, 0, 0x80, 0x38, 1, 0, 0x20, 0x4e, 0, 0, 0, 0, 0, 0),
          Buffer.alloc(80_000),
        ]),
        PayloadKind.tensor | SINGLE_ARGUMENT,
      ),
    };
    const factors = Object.entries(payloads).map(([name, payload]) => {
      const frame = callWith(payload);
      return [name, decodedBytesOf(frame) / frame.length] as const;
    });
    const rows = new Tensor("uint8", new Uint8Array(20_000), [20_000]);
    const replies = Array.from({ length: 20_000 }, (_, i) => ({
      id: i,
      part: 0,
      status: ReplyStatus.rows,
      stats: NO_STATS,
      payload: 0,
      firstRow: i,
      rows: 1,
    }));
    const chunks = encodeChunks(new Array(20_000).fill(1), new Array(20_000).fill(encodeValue(undefined)));
    factors.push(["chunks of nothing", decodedBytesOf(chunks) / chunks.length]);
    const frame = encodeReplies(repliesOf(replies), [encodeValue({ rows })], NO_LOAD);
    factors.push(["rows of one byte", decodedBytesOf(frame) / frame.length]);
    if (process.env["TUTTI_FUZZ_VERBOSE"]) console.table(Object.fromEntries(factors));
    expect(factors.filter(([, factor]) => factor > 128)).toEqual([]);
  });
});

/** What is held of a frame once it is decoded and all of it is read. */
function decodedBytesOf(frame: Buffer): number {
  collectGarbage();
  const before = memoryBytes();
  let held: unknown;
  try {
    held = readAll(decodeFrame(frame, DEFAULT_WIRE_LIMITS, 0));
  } catch (thrown) {
    held = thrown;
  }
  collectGarbage();
  const bytes = memoryBytes() - before;
  return held === undefined ? 0 : bytes;
}
