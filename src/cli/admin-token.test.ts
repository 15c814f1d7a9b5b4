import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { adminToken } from "./admin-token.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tutti-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(text: string): string {
  const file = path.join(folder, "token");
  writeFileSync(file, text);
  return file;
}

describe("the admin token", () => {
  it("comes from a file, without the line's end that editors put there", () => {
    expect(adminToken(fileWith("a-token-of-some-length\r\n"))).toBe("a-token-of-some-length");
  });

  it("is not taken from a file that is missing, empty or something else, which is named", () => {
    expect(() => adminToken(path.join(folder, "none"))).toThrow(
      /--admin-token-file: cannot read .*none.*ENOENT/,
    );
    expect(() => adminToken(folder)).toThrow(/cannot read .*EISDIR/);
    expect(() => adminToken(fileWith(" \n"))).toThrow(/is empty/);
    expect(() => adminToken(fileWith("x".repeat(20_000)))).toThrow(/has 20000 bytes, expected a token/);
  });
});
