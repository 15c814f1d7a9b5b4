import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { TUTTI_NODE_FLAGS } from "../bench/systems/typescript.ts";
import { NODE_FLAGS } from "../chaos/system.ts";

const text = (file: string): string => readFileSync(new URL(file, import.meta.url), "utf8");

it("starts the command, the benchmarks and the fault campaign with the flags of the command's first line", () => {
  const [firstLine = ""] = text("../src/cli/main.ts").split("\n", 1);
  const flags = firstLine.replace("#!/usr/bin/env -S node ", "").split(" ");
  const [, ofScripts = ""] = /export const cliFlags = (\[.*\]);/.exec(text("lib.mjs")) ?? [];
  expect(flags.every((flag) => flag.startsWith("--"))).toBe(true);
  expect([JSON.parse(ofScripts), TUTTI_NODE_FLAGS, NODE_FLAGS]).toEqual([flags, flags, flags]);
});
