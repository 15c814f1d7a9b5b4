import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_TRAFFIC } from "../policy/desired-state.ts";
import { systemFiles } from "./atomic-file.ts";
import { FileServedRecord } from "./file-served-record.ts";

const served = (version: string) => [
  { name: "offers", module: "/app.ts", args: {}, version, traffic: DEFAULT_TRAFFIC, deployments: {} },
];

describe("what a node notes of what it serves", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), "tutti-served-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const file = () => path.join(directory, "served.json");

  it("is there for the next one that has the directory", async () => {
    expect(await new FileServedRecord(directory).read()).toEqual([]);
    await new FileServedRecord(directory).write(served("v1"));
    expect(await new FileServedRecord(directory).read()).toEqual(served("v1"));
  });

  it("is written only when it is another", async () => {
    let writes = 0;
    const counting = {
      ...systemFiles,
      rename: (from: string, to: string) => {
        writes += 1;
        return systemFiles.rename(from, to);
      },
    };
    const record = new FileServedRecord(directory, counting);
    await record.write(served("v1"));
    await record.write(served("v1"));
    expect(writes).toBe(1);
    await record.write(served("v2"));
    expect(writes).toBe(2);
  });

  it("counts as none when it cannot be read: then a node begins with what is wanted", async () => {
    writeFileSync(file(), "{ half");
    expect(await new FileServedRecord(directory).read()).toEqual([]);
  });

  it("that cannot be written leaves what was noted before", async () => {
    await new FileServedRecord(directory).write(served("v1"));
    const full = { ...systemFiles, rename: () => Promise.reject(new Error("no space left")) };
    await expect(new FileServedRecord(directory, full).write(served("v2"))).rejects.toThrow("no space left");
    expect(JSON.parse(readFileSync(file(), "utf8"))).toEqual(served("v1"));
  });
});
