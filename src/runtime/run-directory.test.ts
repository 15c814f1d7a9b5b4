import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createRunDirectory } from "./run-directory.ts";

let scratch: string;

beforeEach(() => {
  scratch = mkdtempSync(path.join(tmpdir(), "run-directory-test-"));
  vi.stubEnv("TMPDIR", scratch);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true, force: true });
});

it("makes a directory that only this user can enter", async () => {
  const directory = await createRunDirectory();
  expect(path.dirname(directory)).toBe(scratch);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
});

it("removes what a node that is dead left behind, and nothing else", async () => {
  const { pid } = spawnSync(process.execPath, ["--version"]);
  const dead = path.join(scratch, `tutti-${pid}-abcdef`);
  const alive = path.join(scratch, `tutti-${process.pid}-abcdef`);
  const foreign = path.join(scratch, "tutti-something-else");
  for (const directory of [dead, alive, foreign]) mkdirSync(directory);
  await createRunDirectory();
  expect([dead, alive, foreign].map((directory) => existsSync(directory))).toEqual([false, true, true]);
});
