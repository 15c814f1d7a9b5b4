import { describe, expect, it } from "vitest";
import { isLoopback, resolveAdminOptions } from "./admin-options.ts";

const TOKEN = "0123456789abcdef";

describe("the admin options", () => {
  it("are this machine alone, port 8002 and no token by default", () => {
    expect(resolveAdminOptions()).toEqual({ host: "127.0.0.1", port: 8002, token: undefined });
  });

  it.each(["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", "127.0.0.1.example.org"])(
    "demand a token to listen on %s",
    (host) => {
      expect(() => resolveAdminOptions({ host })).toThrow(/TUTTI_ADMIN_TOKEN/);
      expect(resolveAdminOptions({ host, token: TOKEN })).toMatchObject({ host, token: TOKEN });
    },
  );

  it.each([
    [{ port: 70_000 }, /admin: port/],
    [{ host: "" }, /admin: host/],
    [{ token: "short" }, /admin: token: expected a text of at least 16/],
    [{ token: `${TOKEN} and more` }, /without spaces/],
    [{ token: `${TOKEN}ü` }, /visible ASCII/],
    [{ token: "x".repeat(4097) }, /at most 4096/],
    [{ token: 1234567890123456 }, /expected a text/],
    [{ tokn: TOKEN }, /unknown option tokn; known: host, port, token/],
  ])("refuse %j, naming what is wrong", (options, message) => {
    expect(() => resolveAdminOptions(options as object)).toThrow(message);
  });

  it("do not show a token that is wrong", () => {
    expect(() => resolveAdminOptions({ token: "s3cret" })).not.toThrow(/s3cret/);
  });
});

describe("an address of this machine alone", () => {
  it.each(["localhost", "LOCALHOST", "127.0.0.1", "127.8.0.1", "::1", "[::1]"])("is %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each(["", "0.0.0.0", "::", "128.0.0.1", "127.evil.example", "evil.localhost"])("is not %j", (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
