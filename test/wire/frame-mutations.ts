import type { Random } from "../../src/policy/seeded-random.ts";
import {
  encodeCalls,
  encodeCancel,
  encodeChunks,
  encodeCredit,
  encodeHello,
  encodeReplies,
  encodeWithdraw,
} from "../../src/wire/encode-frame.ts";
import { NO_STATS } from "../../src/wire/messages.ts";
import { PROTOCOL_VERSION, ReplyStatus } from "../../src/wire/protocol.ts";
import { Tensor } from "../../src/wire/tensor.ts";
import { encodeArguments, encodeValue } from "../../src/wire/value-codec.ts";
import { repliesOf } from "./replies-of.ts";

const FIELDS = {
  method: "run",
  requestId: "r-1",
  priority: 1,
  lean: false,
  idempotent: true,
  deadlineAtMs: 1_000,
};
const floats = new Tensor(
  "float32",
  Float32Array.from({ length: 12 }, (_, i) => i),
  [4, 3],
);
const strings = new Tensor("string", ["", "a", "bc", "déf"], [4]);
const LOAD = { backlogUs: 9, queuedItems: 1, busyFraction: 0, costs: [{ target: 1, fixedUs: 2, itemUs: 3 }] };

/** One valid frame at least for everything a frame can hold. */
export function validFrames(): Buffer[] {
  const structured = {
    id: "p1",
    at: new Date(0),
    list: [1, -1, 1.5, 2n, null, undefined, true],
    nested: { floats },
  };
  const reply = { id: 1, part: 0, stats: NO_STATS, payload: 0, firstRow: 0, rows: 0 };
  const rows = [0, 1, 2, 3].map((firstRow) => ({
    ...reply,
    id: firstRow,
    status: ReplyStatus.rows,
    firstRow,
    rows: 1,
  }));
  const error = { code: "Overloaded", message: "full", started: "no" };
  return [
    encodeHello({ name: "executor-1", token: "0123456789abcdef" }),
    encodeHello({ name: "executor-1", token: "" }, PROTOCOL_VERSION + 1),
    encodeWithdraw([]),
    encodeWithdraw([
      { id: 1, target: 2, part: 0, abort: false },
      { id: 3, target: 4, part: 29, abort: true },
    ]),
    encodeCalls(
      [
        { ...FIELDS, id: 1, target: 1, payload: 0 },
        { ...FIELDS, id: 2, target: 2, payload: 1 },
        {
          ...FIELDS,
          id: 3,
          target: 0,
          targets: [4, 5, 6],
          payload: 2,
          deadlineAtMs: Number.POSITIVE_INFINITY,
        },
        { ...FIELDS, id: 4, target: 3, payload: 3, takesStream: true },
      ],
      [
        encodeArguments([floats]),
        encodeArguments([structured, new Float64Array(3)]),
        encodeArguments([{ floats, strings }]),
        encodeArguments([new Uint8Array(20)]),
      ],
      0,
    ),
    encodeReplies(repliesOf(rows), [encodeValue({ floats, strings })], LOAD),
    encodeReplies(
      repliesOf([
        { ...reply, status: ReplyStatus.value },
        { ...reply, status: ReplyStatus.error, payload: 1 },
        { ...reply, status: ReplyStatus.value, payload: 2 },
      ]),
      [encodeValue(structured), encodeValue(error), encodeValue(strings)],
      LOAD,
    ),
    encodeCancel([1, 2, 3]),
    encodeChunks(
      [1, 1, 2, 1],
      [encodeValue(structured), encodeValue(undefined), encodeValue(floats), encodeValue(new Uint8Array(20))],
    ),
    encodeCredit([
      { id: 1, chunks: 32, bytes: 65_536 },
      { id: 2, chunks: 1, bytes: 0 },
    ]),
  ];
}

const EXTREMES = [
  0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 255, 256, 1_025, 0x7fff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000,
  0xffff_fff8, 0xffff_fffe, 0xffff_ffff,
];

/** Beginnings of MessagePack values that promise more than follows, or nest, or name what must not be named. */
const LIES = [
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdd, 0x7f, 0xff, 0xff, 0xff],
  [0xdc, 0xff, 0xff],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xde, 0xff, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0xff, 0xff, 0xff, 0xff],
  [0xc9, 0xff, 0xff, 0xff, 0xff, 0x54],
  [0xc9, 0x00, 0x00, 0x00, 0x08, 0x41, 0x01],
  [0xc7, 0x08, 0x54, 0x0c, 0xff, 0, 0, 0, 0, 0, 0],
  [0xd4, 0x72, 0x40],
  [0xd6, 0x62, 0, 0, 0, 9],
  [0x81, 0xa9, ...Buffer.from("__proto__"), 0x81, 0xa8, ...Buffer.from("polluted"), 0xc3],
  [
    0x81,
    0xab,
    ...Buffer.from("constructor"),
    0x81,
    0xa9,
    ...Buffer.from("prototype"),
    0x81,
    0xa8,
    ...Buffer.from("polluted"),
    0xc3,
  ],
  new Array(100).fill(0x91),
  new Array(100).fill([0x81, 0xa1, 0x61]).flat(),
];

type Mutation = (frame: Buffer, random: Random) => Buffer;

const at = (frame: Buffer, width: number, random: Random): number =>
  Math.floor(random() * Math.max(1, frame.length - width + 1));
const pick = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)]!;
const near = (frame: Buffer, random: Random): number =>
  (random() < 0.5 ? pick(EXTREMES, random) : frame.length + Math.floor(random() * 33) - 16) >>> 0;

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flipBits: (frame, random) => {
    for (let left = 1 + Math.floor(random() * 8); left > 0; left--) {
      frame[at(frame, 1, random)]! ^= 1 << Math.floor(random() * 8);
    }
    return frame;
  },
  truncate: (frame, random) => frame.subarray(0, Math.floor(random() * frame.length)),
  setU32: (frame, random) => {
    if (frame.length >= 4) frame.writeUInt32LE(near(frame, random), at(frame, 4, random));
    return frame;
  },
  setHeaderU32: (frame, random) => {
    const field = pick([8, 12, 16, 20, 24, 28], random);
    if (frame.length >= field + 4) frame.writeUInt32LE(near(frame, random), field);
    return frame;
  },
  setAlignedU32: (frame, random) => {
    const field = at(frame, 4, random) & ~3;
    if (frame.length >= field + 4) frame.writeUInt32LE(near(frame, random), field);
    return frame;
  },
  setU16: (frame, random) => {
    if (frame.length >= 2) frame.writeUInt16LE(pick(EXTREMES, random) & 0xffff, at(frame, 2, random));
    return frame;
  },
  setCount: (frame, random) => {
    if (frame.length >= 8) frame.writeUInt16LE(pick(EXTREMES, random) & 0xffff, 6);
    return frame;
  },
  setType: (frame, random) => {
    if (frame.length > 4)
      frame[4] = random() < 0.7 ? pick([1, 2, 3, 4, 5, 6, 7, 8, 9], random) : random() * 256;
    return frame;
  },
  lie: (frame, random) => {
    const lie = pick(LIES, random);
    frame.set(lie.slice(0, frame.length), at(frame, Math.min(lie.length, frame.length), random));
    return frame;
  },
  copyWithin: (frame, random) =>
    frame.copyWithin(at(frame, 1, random), at(frame, 1, random), at(frame, 1, random)),
  fill: (frame, random) => {
    const start = at(frame, 1, random);
    const end = Math.min(frame.length, start + Math.floor(random() * 64));
    return frame.fill(pick([0x00, 0x41, 0x80, 0x91, 0xc1, 0xd4, 0xff], random), start, Math.max(start, end));
  },
  append: (frame, random) =>
    Buffer.concat([frame, Buffer.alloc(8 * Math.floor(random() * 20), pick(EXTREMES, random))]),
};

/** A frame with one to three things wrong with it, in memory of its own and aligned as a transport delivers it. */
export function mutate(valid: Buffer, random: Random): { readonly frame: Buffer; readonly how: string } {
  const names = Object.keys(MUTATIONS);
  const how: string[] = [];
  let frame = Buffer.from(new Uint8Array(valid).buffer);
  for (let left = 1 + Math.floor(random() * 3); left > 0; left--) {
    const name = pick(names, random);
    how.push(name);
    frame = Buffer.from(new Uint8Array(MUTATIONS[name]!(frame, random)).buffer);
  }
  return { frame, how: how.join("+") };
}
