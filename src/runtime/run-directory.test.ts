import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createRunDirectory, findNodes, noteAddresses } from "./run-directory.ts";

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

describe("where a node listens", () => {
  const addresses = { edge: "http://127.0.0.1:8000", admin: "http://127.0.0.1:9002" };

  it("is found by this user's commands, with its admin API or without", async () => {
    await noteAddresses(await createRunDirectory(), addresses);
    await noteAddresses(await createRunDirectory(), { edge: "http://127.0.0.1:8010" });
    const found = await findNodes();
    expect(found.toSorted((a, b) => a.edge.localeCompare(b.edge))).toEqual([
      addresses,
      { edge: "http://127.0.0.1:8010" },
    ]);
  });

  it("is nowhere before it is noted, where the note is damaged, and when the node is dead", async () => {
    await createRunDirectory();
    writeFileSync(path.join(await createRunDirectory(), "addresses.json"), "{");
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const dead = path.join(scratch, `tutti-${pid}-abcdef`);
    mkdirSync(dead);
    await noteAddresses(dead, addresses);
    expect(await findNodes()).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)("is not believed of what another user has put there", async () => {
    const directory = await createRunDirectory();
    await noteAddresses(directory, addresses);
    chownSync(directory, 12_345, 12_345);
    expect(await findNodes()).toEqual([]);
  });
});
