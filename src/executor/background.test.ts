import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { getPriority } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Background } from "./background.ts";

describe("a process in the background", () => {
  let child: ChildProcess;
  beforeEach(async () => {
    child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    await once(child, "spawn");
  });
  afterEach(async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  });

  it("comes last until it is brought to the front, or is known to have to stay where it is", () => {
    const background = new Background();
    const own = getPriority();
    const pid = child.pid!;
    // Not every user may raise a process again: then none is put there.
    if (!background.isPossible) return expect(getPriority(pid)).toBe(own);
    expect(background.put(pid)).toBe(true);
    expect(getPriority(pid)).toBe(19);
    background.bringBack(pid, 5);
    expect(getPriority(pid)).toBe(Math.min(19, own + 5));
    background.put(pid);
    background.bringBack(pid, 0);
    expect(getPriority(pid)).toBe(own);
  });

  it("may be left there at its end", () => {
    const background = new Background();
    background.leave(child.pid!);
    expect(getPriority(child.pid!)).toBe(19);
    expect(background.isPossible).toBe(true);
  });

  it("that has ended is no reason to think that others could not be brought back", async () => {
    const background = new Background();
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    expect(background.put(child.pid!)).toBe(true);
    background.bringBack(child.pid!, 0);
    expect(background.isPossible).toBe(new Background().isPossible);
    child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
  });
});
