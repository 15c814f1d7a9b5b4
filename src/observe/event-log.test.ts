import { describe, expect, it } from "vitest";
import { EventLog, type LoggedEvent } from "./event-log.ts";

const ready = { type: "node", ready: true, reason: "" } as const;

function read(log: EventLog, afterId?: number) {
  const seen: LoggedEvent[] = [];
  const end = log.read(afterId, (logged) => seen.push(logged));
  return { seen, end, ids: () => seen.map(({ id }) => id) };
}

describe("the events of a node", () => {
  it("are told to who reads, from then on, each with a number and a time", () => {
    const log = new EventLog(() => 5);
    log.add(ready);
    const { seen, end } = read(log);
    log.add(ready);
    end();
    log.add(ready);
    expect(seen).toEqual([{ id: 2, atEpochMs: 5, event: ready }]);
  });

  it("are told again to who comes back with the last number that it knows", () => {
    const log = new EventLog();
    for (let i = 0; i < 5; i++) log.add(ready);
    expect(read(log, 3).ids()).toEqual([4, 5]);
    expect(read(log, 0).ids()).toEqual([1, 2, 3, 4, 5]);
    expect(read(log, 5).ids()).toEqual([]);
  });

  it("are all news to who knows a number of another node", () => {
    const log = new EventLog();
    log.add(ready);
    expect(read(log, 900).ids()).toEqual([1]);
  });

  it("are kept in bounded number, the last ones", () => {
    const log = new EventLog();
    for (let i = 0; i < 1000; i++) log.add(ready);
    const ids = read(log, 0).ids();
    expect([ids.length, ids.at(0), ids.at(-1)]).toEqual([256, 745, 1000]);
  });
});
