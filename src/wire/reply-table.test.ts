import { expect, it } from "vitest";
import { repliesOf } from "../../test/wire/replies-of.ts";
import { decodeFrame } from "./decode-frame.ts";
import { encodeReplies } from "./encode-frame.ts";
import type { IncomingReply } from "./messages.ts";
import { NO_LOAD } from "./peer.ts";
import { DEFAULT_WIRE_LIMITS, ReplyStatus } from "./protocol.ts";
import type { ReplyTable } from "./reply-table.ts";
import { encodeValue } from "./value-codec.ts";

const STATS = { queueUs: 1, runUs: 2, batchItems: 3 };
const manyReplies = (count: number) =>
  Array.from({ length: count }, (_, id) => {
    const status = ReplyStatus.value;
    return { id, part: id % 30, status, stats: STATS, payload: id % 2, firstRow: 0, rows: 0 };
  });

function decoded(table: ReplyTable, payloads: readonly unknown[]): readonly IncomingReply[] {
  const encoded = payloads.map((value) => encodeValue(value));
  const message = decodeFrame(encodeReplies(table, encoded, NO_LOAD), DEFAULT_WIRE_LIMITS, 0);
  if (message.type !== "replies") throw new Error(`it is a frame of ${message.type}`);
  return message.replies;
}

it("holds what it was given, however much, and again after it was emptied", () => {
  const table = repliesOf(manyReplies(5_000));
  const first = decoded(table, ["even", "odd"]);
  expect(first.map(({ id, part, value }) => [id, part, value])).toEqual(
    Array.from({ length: 5_000 }, (_, id) => [id, id % 30, id % 2 === 0 ? "even" : "odd"]),
  );
  table.clear();
  expect([table.length, table.bytes]).toEqual([0, 0]);
  for (let id = 0; id < 100; id++) table.add(id, 255, ReplyStatus.value, STATS, 0, 0, 0);
  const second = decoded(table, ["new"]);
  expect(second.map(({ id, part, value }) => [id, part, value])).toEqual(
    Array.from({ length: 100 }, (_, id) => [id, 255, "new"]),
  );
});

it("makes all of them one error, each with its own id, part and times", () => {
  const table = repliesOf(manyReplies(3));
  table.add(9, 255, ReplyStatus.rows, STATS, 1, 7, 2);
  table.failAll();
  const failed = decoded(table, ["why"]);
  expect(failed.map(({ id, part, ok, value, rows }) => [id, part, ok, value, rows])).toEqual([
    [0, 0, false, "why", undefined],
    [1, 1, false, "why", undefined],
    [2, 2, false, "why", undefined],
    [9, 255, false, "why", undefined],
  ]);
  expect(failed.map(({ stats }) => stats.batchItems)).toEqual([3, 3, 3, 3]);
});
