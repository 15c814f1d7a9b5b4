import { describe, expect, it } from "vitest";
import type { Finding } from "./finding.ts";
import {
  judgeCores,
  judgeMemory,
  judgeNode,
  judgeOpenFiles,
  judgePlatform,
  judgePort,
  judgePriority,
  judgeTemporaryFolder,
} from "./judge-machine.ts";

const verdict = ({ verdict: said, advice }: Finding) => [said, advice !== undefined];

describe("the doctor's judgement", () => {
  it.each([
    ["v22.18.0", "ok"],
    ["v24.1.0", "ok"],
    ["v22.17.9", "fail"],
    ["v20.19.0", "fail"],
  ])("of Node %s is %s", (version, said) => {
    expect(judgeNode(version).verdict).toBe(said);
  });

  it("of a platform without unix sockets is that it fails", () => {
    expect(verdict(judgePlatform("linux", "arm64"))).toEqual(["ok", false]);
    expect(verdict(judgePlatform("win32", "x64"))).toEqual(["fail", true]);
  });

  it("of cores looks at what a container may use, and says how many lanes that is", () => {
    expect(judgeCores(4, undefined).verdict).toBe("ok");
    expect(judgeCores(4, 4).verdict).toBe("ok");
    expect(judgeCores(8, 1.5)).toMatchObject({
      verdict: "warn",
      advice: expect.stringContaining("--lanes 1"),
    });
    expect(judgeCores(1, undefined).verdict).toBe("warn");
  });

  it("of memory is by what is available", () => {
    expect(judgeMemory(8000, 4000).verdict).toBe("ok");
    expect(judgeMemory(8000, 900).verdict).toBe("warn");
    expect(judgeMemory(256, 200).verdict).toBe("fail");
  });

  it("of open files says what helps: the shell's limit, or the system's", () => {
    expect(judgeOpenFiles(65_536, 65_536, 10_000).verdict).toBe("ok");
    expect(judgeOpenFiles(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 10_000).found).toContain(
      "no limit",
    );
    expect(judgeOpenFiles(1024, 1_048_576, 10_000).advice).toContain("ulimit -n 10256");
    expect(judgeOpenFiles(1024, 4096, 10_000).advice).toContain("the system's limit raised to 10256");
  });

  it("of priorities is that all works without, and what would be better", () => {
    expect(verdict(judgePriority(true))).toEqual(["ok", false]);
    expect(verdict(judgePriority(false))).toEqual(["warn", true]);
  });

  it("of the temporary folder is by whether sockets can be made there", () => {
    expect(judgeTemporaryFolder("/tmp", undefined).verdict).toBe("ok");
    expect(judgeTemporaryFolder("/tmp", "EACCES").verdict).toBe("fail");
    expect(judgeTemporaryFolder(`/var/${"folders/".repeat(12)}`, undefined).advice).toContain("TMPDIR");
  });

  it.each([
    ["EADDRINUSE", "is in use"],
    ["EACCES", "privileged"],
    ["EADDRNOTAVAIL", "EADDRNOTAVAIL"],
  ])("of a port that ends by %s names the flag", (failure, found) => {
    const finding = judgePort("http port", "127.0.0.1:80", failure, "--port");
    expect(finding).toMatchObject({ verdict: "fail", found: expect.stringContaining(found) });
    expect(finding.advice).toContain("--port");
  });

  it("of a port that is free is that all is well", () => {
    expect(verdict(judgePort("http port", "127.0.0.1:8000", undefined, "--port"))).toEqual(["ok", false]);
  });
});
