import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hashModelFile, readModelFile } from "./model-file.ts";

const dir = mkdtempSync(join(tmpdir(), "tutti-model-file-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("a model file", () => {
  it("has the hash of its whole contents, whatever its size", async () => {
    const path = join(dir, "large");
    const bytes = Buffer.alloc(3 * 2 ** 20 + 7, "tutti");
    writeFileSync(path, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(await hashModelFile(path)).toBe(sha256);
    expect(await readModelFile({ name: "m", path, sha256 })).toEqual(new Uint8Array(bytes));
  });

  it("is named when it cannot be hashed", async () => {
    await expect(hashModelFile(join(dir, "none"))).rejects.toMatchObject({
      code: "ModelNotFound",
      message: expect.stringContaining(join(dir, "none")),
    });
    await expect(hashModelFile(dir)).rejects.toMatchObject({ code: "ModelInvalid" });
  });

  it("is read into memory of its own, which can be given up", async () => {
    const path = join(dir, "small");
    writeFileSync(path, "small");
    const bytes = await readModelFile({ name: "m", path });
    expect(bytes.buffer.byteLength).toBe(5);
    bytes.buffer.transfer(0);
    expect(bytes.length).toBe(0);
  });
});
