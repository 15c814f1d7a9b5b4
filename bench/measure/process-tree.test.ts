import { expect, test } from "vitest";
import { type ProcessStat, parseStat, selectTree } from "./process-tree.ts";

test("CPU time includes children that have ended, and a name may hold brackets and spaces", () => {
  const fields = [
    "S",
    "10",
    "20",
    "30",
    "0",
    "-1",
    "4194304",
    "1",
    "2",
    "3",
    "4",
    "150",
    "50",
    "25",
    "75",
    "20",
  ];
  expect(parseStat(`1234 (a (strange) name) ${fields.join(" ")}`)).toEqual({
    pid: 1234,
    parent: 10,
    session: 30,
    ended: false,
    cpuSeconds: 3,
  });
  expect(parseStat("")).toBeUndefined();
});

test("a system's processes are its descendants and whoever is in its session", () => {
  const process = (pid: number, parent: number, session: number): ProcessStat => ({
    pid,
    parent,
    session,
    ended: false,
    cpuSeconds: 0,
  });
  const all = [
    process(1, 0, 1),
    process(52, 51, 100),
    process(50, 1, 50),
    process(51, 50, 50),
    process(53, 1, 50),
    process(60, 1, 60),
  ];
  expect(selectTree(all, 50).map(({ pid }) => pid)).toEqual([52, 50, 51, 53]);
});
