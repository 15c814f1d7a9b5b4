import { describe, expect, it } from "vitest";
import { parseYaml } from "./parse-yaml.ts";

const dataOf = (text: string): unknown => {
  const parsed = parseYaml(text);
  if (parsed.kind === "faulty") throw new Error(parsed.faults.map(({ message }) => message).join("; "));
  return parsed.value;
};

const faultsIn = (text: string): string[] => {
  const parsed = parseYaml(text);
  if (parsed.kind === "parsed") throw new Error(`taken as ${JSON.stringify(parsed.value)}`);
  return parsed.faults.map(({ message, at }) => `${at?.line ?? "?"}: ${message}`);
};

describe("a text of YAML", () => {
  it("is data, of JSON's types", () => {
    expect(dataOf("a: 1\nb: [yes, null, 'x', 1.5, true]\nc: {d: ~}\n")).toEqual({
      a: 1,
      b: ["yes", null, "x", 1.5, true],
      c: { d: null },
    });
    expect(dataOf('{"a": [1, {"b": "x"}]}')).toEqual({ a: [1, { b: "x" }] });
    expect(dataOf("a: &x {b: 1}\nc: *x")).toEqual({ a: { b: 1 }, c: { b: 1 } });
  });

  it.each([
    ["a: 1\nb: 2\na: 3", "3: Map keys must be unique"],
    ["a: 1\nb: !!js/function x", "2: Unresolved tag"],
    ["a: [1, 2", "1: Flow sequence in block collection"],
    ["a: *nobody", "?: Unresolved alias"],
    ["a: 1\n---\nb: 2", "2: Source contains multiple documents"],
    ["? [a, b]\n: 1", "1: expected a text as key"],
    ["a: &x b\n*x : 1", "2: expected a text as key"],
  ])("%j is refused, with the line", (text, expected) => {
    expect(faultsIn(text)[0]).toContain(expected);
  });

  it("tells every fault of the text that it can", () => {
    expect(faultsIn("a: 1\na: 2\nb: 1\nb: 2\n")).toHaveLength(2);
  });

  it.each([
    ["[".repeat(100_000), "nests too deeply"],
    [`${"[".repeat(500)}${"]".repeat(500)}`, "nests deeper than 64 levels"],
    ["- ".repeat(100_000), "nests too deeply"],
    ["? ".repeat(500), "expected a text as key"],
    [Array.from({ length: 500 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"), "nests deeper than 64 levels"],
  ])("that nests without end is refused", (text, expected) => {
    expect(faultsIn(text).join("; ")).toContain(expected);
  });

  it("whose aliases stand for more than it says is refused", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 20; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`);
    expect(faultsIn(lines.join("\n"))[0]).toContain("Excessive alias count");
  });

  it("says where each value was written, and of one that is missing where it should be", () => {
    const parsed = parseYaml("a:\n  - b: 1\n    c: 2\n  - d: &x {e: 3}\n    f: *x\n");
    if (parsed.kind === "faulty") throw new Error("not parsed");
    expect(parsed.positionOf(["a", 0, "c"])).toEqual({ line: 3, column: 5 });
    expect(parsed.positionOf(["a", 0, "missing"])).toEqual({ line: 2, column: 5 });
    expect(parsed.positionOf(["a", 1, "f", "e"])).toEqual({ line: 4, column: 12 });
    expect(parsed.positionOf([])).toEqual({ line: 1, column: 1 });
  });
});
