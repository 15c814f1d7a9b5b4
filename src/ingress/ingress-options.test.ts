import { describe, expect, test } from "vitest";
import { resolveIngressOptions } from "./ingress-options.ts";

describe("ingress options", () => {
  test("are complete, frozen and local by default", () => {
    const options = resolveIngressOptions();
    expect(options).toMatchObject({
      host: "127.0.0.1",
      port: 8000,
      maxBodyBytes: 1_048_576,
      maxJsonDepth: 32,
      accessLog: "off",
    });
    expect(Object.isFrozen(options)).toBe(true);
  });

  test("take what is given, 0 included", () => {
    expect(resolveIngressOptions({ port: 0, host: "0.0.0.0", drainGraceMs: 0 })).toMatchObject({
      port: 0,
      host: "0.0.0.0",
      drainGraceMs: 0,
    });
  });

  test.each([
    [{ prot: 1 }, /http\.prot: expected one of host, .*an unknown option/],
    [{ port: 65_536 }, /http\.port: expected a whole number from 0 to 65535, got 65536/],
    [{ maxBodyBytes: 0.5 }, /http\.maxBodyBytes/],
    [{ host: "" }, /http\.host/],
    [{ accessLog: "loud" }, /http\.accessLog: expected off \| debug \| info, got loud/],
  ])("refuse %j by name", (options, message) => {
    expect(() => resolveIngressOptions(options as object)).toThrow(
      expect.objectContaining({ code: "InvalidOptions", message: expect.stringMatching(message) }),
    );
  });
});
