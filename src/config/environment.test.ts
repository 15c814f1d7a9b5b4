import { afterEach, expect, it, vi } from "vitest";
import { adminToken, applyEnvironmentDefaults, executorEnvironment } from "./environment.ts";

afterEach(() => vi.unstubAllEnvs());

it("gives executors everything this process has, and lets the user's Node options win by coming last", () => {
  vi.stubEnv("SOME_VARIABLE", "kept");
  vi.stubEnv("NODE_OPTIONS", "--max-semi-space-size=64");
  expect(executorEnvironment("/run/code")).toMatchObject({
    SOME_VARIABLE: "kept",
    NODE_OPTIONS: "--max-semi-space-size=12 --max-semi-space-size=64",
  });
});

it("reads the admin API's token, and keeps it from executors, in which user code runs", () => {
  vi.stubEnv("TUTTI_ADMIN_TOKEN", "secret");
  expect(adminToken()).toBe("secret");
  expect(Object.values(executorEnvironment("/run/code"))).not.toContain("secret");
  vi.stubEnv("TUTTI_ADMIN_TOKEN", "");
  expect(adminToken()).toBeUndefined();
});

it("turns ONNX Runtime's telemetry off, unless the user has said otherwise", () => {
  vi.stubEnv("ORT_DISABLE_TELEMETRY", undefined);
  expect(executorEnvironment("/run/code")["ORT_DISABLE_TELEMETRY"]).toBe("1");
  applyEnvironmentDefaults();
  expect(process.env["ORT_DISABLE_TELEMETRY"]).toBe("1");
  vi.stubEnv("ORT_DISABLE_TELEMETRY", "0");
  applyEnvironmentDefaults();
  expect(executorEnvironment("/run/code")["ORT_DISABLE_TELEMETRY"]).toBe("0");
});

it("executors keep compiled code where the node says, unless the user has said where", () => {
  vi.stubEnv("NODE_COMPILE_CACHE", undefined);
  expect(executorEnvironment("/run/code")["NODE_COMPILE_CACHE"]).toBe("/run/code");
  vi.stubEnv("NODE_COMPILE_CACHE", "/var/cache/node");
  expect(executorEnvironment("/run/code")["NODE_COMPILE_CACHE"]).toBe("/var/cache/node");
});
