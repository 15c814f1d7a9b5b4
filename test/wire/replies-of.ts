import type { CallStats } from "../../src/wire/messages.ts";
import { type ReplyKind, ReplyTable } from "../../src/wire/reply-table.ts";

export interface ReplyFields {
  readonly id: number;
  readonly part: number;
  readonly status: ReplyKind;
  readonly stats: CallStats;
  readonly payload: number;
  readonly firstRow: number;
  readonly rows: number;
}

export function repliesOf(replies: readonly ReplyFields[]): ReplyTable {
  const table = new ReplyTable();
  for (const { id, part, status, stats, payload, firstRow, rows } of replies) {
    table.add(id, part, status, stats, payload, firstRow, rows);
  }
  return table;
}
