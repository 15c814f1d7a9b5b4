import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { NO_PROCESS, ownProcess } from "./own-process.ts";

describe("the process that an executor has to itself", () => {
  it("says what share of a core it used of late, looking at most every 100 ms", () => {
    const own = ownProcess(0);
    const now = performance.now();
    expect(own.busyFraction(now + 50)).toBe(0);
    const { user, system } = process.cpuUsage();
    // However slow the machine: until some processor time was used.
    for (let used = 0; used < 60_000; ) {
      const since = process.cpuUsage({ user, system });
      used = since.user + since.system;
    }
    const busy = own.busyFraction(now + 200);
    expect(busy).toBeGreaterThan(0.05);
    // One look at a process that is as busy as can be: a collection is that, too, and no load.
    expect(busy).toBeLessThanOrEqual(0.35);
    expect(own.busyFraction(now + 250)).toBe(busy);
  });

  it("gives way by as much as it is told, once, and not beyond the lowest priority", () => {
    const module = fileURLToPath(new URL("./own-process.ts", import.meta.url));
    const script = `
      import { getPriority } from "node:os";
      import { ownProcess } from ${JSON.stringify(module)};
      const before = getPriority();
      const own = ownProcess(Number(process.argv[1]));
      own.giveWay();
      own.giveWay();
      console.log(getPriority() - before, getPriority());`;
    const run = (niceness: string) =>
      spawnSync(process.execPath, ["--input-type=module", "-e", script, niceness], { encoding: "utf8" })
        .stdout;
    expect(run("0")).toMatch(/^0 /);
    expect(run("3")).toMatch(/^3 /);
    expect(run("19")).toMatch(/ 19$/m);
  });

  it("is none of an executor's business where it lives in somebody else's", () => {
    expect(NO_PROCESS.busyFraction(1e9)).toBe(0);
    expect(() => NO_PROCESS.giveWay()).not.toThrow();
  });

  it("keeps compiled code for later processes when it is warm, and without a place for it does nothing", () => {
    const directory = mkdtempSync(join(tmpdir(), "tutti-code-"));
    const module = fileURLToPath(new URL("./own-process.ts", import.meta.url));
    // Killed by others, as executors are: at its end, and where it kills itself, Node keeps code by itself.
    const script = `
      import { spawnSync } from "node:child_process";
      import { ownProcess } from ${JSON.stringify(module)};
      if (process.argv[1] === "warm") ownProcess(0).isWarm();
      spawnSync("kill", ["-9", String(process.pid)]);
    `;
    const run = (state: string, environment: NodeJS.ProcessEnv) =>
      spawnSync(process.execPath, ["--input-type=module", "-e", script, state], {
        encoding: "utf8",
        env: { ...process.env, ...environment },
      });
    try {
      const kept = () =>
        readdirSync(directory, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
      run("cold", { NODE_COMPILE_CACHE: directory });
      expect(kept()).toEqual([]);
      run("warm", { NODE_COMPILE_CACHE: directory });
      expect(kept().length).toBeGreaterThan(0);
      expect(run("warm", { NODE_COMPILE_CACHE: "" })).toMatchObject({ stderr: "", signal: "SIGKILL" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("collects what its start has left, once", () => {
    const module = fileURLToPath(new URL("./own-process.ts", import.meta.url));
    const script = `
      import { PerformanceObserver } from "node:perf_hooks";
      import { ownProcess } from ${JSON.stringify(module)};
      let collections = 0;
      const MARK_SWEEP = 4;
      new PerformanceObserver((list) => {
        collections += list.getEntries().filter(({ detail }) => detail.kind === MARK_SWEEP).length;
      }).observe({ entryTypes: ["gc"] });
      const own = ownProcess(0);
      own.hasLoaded();
      own.hasLoaded();
      setTimeout(() => console.log(collections, typeof globalThis.gc), 20);
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout.trim()).toBe("1 undefined");
  });
});
