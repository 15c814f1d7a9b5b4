/** Invariants O9 and O10 of `repository.ts`. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listModelRepository } from "./repository.ts";

let outside: string;
let dir: string;

beforeEach(() => {
  outside = realpathSync(mkdtempSync(join(tmpdir(), "tutti-repository-")));
  dir = join(outside, "models");
  mkdirSync(dir);
});

afterEach(() => {
  rmSync(outside, { recursive: true });
});

function addModel(name: string, ...versions: string[]): void {
  for (const version of versions) {
    mkdirSync(join(dir, name, version), { recursive: true });
    writeFileSync(join(dir, name, version, "model.onnx"), "");
  }
}

const named = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe("listModelRepository", () => {
  it("lists each folder once, sorted, with its highest version (O10)", () => {
    addModel("b", "2", "10", "1");
    addModel("a", "1");
    addModel("Z", "3");
    expect(listModelRepository(dir)).toEqual([
      { name: "Z", version: 3, path: join(dir, "Z/3/model.onnx") },
      { name: "a", version: 1, path: join(dir, "a/1/model.onnx") },
      { name: "b", version: 10, path: join(dir, "b/10/model.onnx") },
    ]);
  });

  it("takes the version that is asked for", () => {
    addModel("a", "1", "2");
    expect(listModelRepository(dir, { versions: { a: 1 } })).toMatchObject([{ name: "a", version: 1 }]);
  });

  it("passes over plain files, names with a dot first, and folders that are no version", () => {
    addModel("a", "1", "01", "0", "latest", "-2");
    addModel(".cache", "1");
    writeFileSync(join(dir, "manifest.json"), "{}");
    writeFileSync(join(dir, "a", "config.pbtxt"), "");
    expect(listModelRepository(dir)).toMatchObject([{ name: "a", version: 1 }]);
  });

  it("is empty for an empty folder", () => {
    expect(listModelRepository(dir)).toEqual([]);
  });

  it("names a folder that does not exist or is a file", () => {
    expect(() => listModelRepository(join(dir, "none"))).toThrow(
      named("ModelNotFound", /none: there is no such folder/),
    );
    const file = join(dir, "file");
    writeFileSync(file, "");
    expect(() => listModelRepository(file)).toThrow(named("ModelNotFound", /file: it is a file/));
  });

  it("names a model without a version", () => {
    mkdirSync(join(dir, "a"));
    expect(() => listModelRepository(dir)).toThrow(
      named("ModelNotFound", /model a: there is no folder with a version/),
    );
  });

  it("names a model without its file, or with a folder in its place", () => {
    mkdirSync(join(dir, "a/1"), { recursive: true });
    expect(() => listModelRepository(dir)).toThrow(named("ModelNotFound", /there is no .*a\/1\/model\.onnx/));
    mkdirSync(join(dir, "a/1/model.onnx"));
    expect(() => listModelRepository(dir)).toThrow(named("ModelNotFound", /a\/1\/model\.onnx is not a file/));
  });

  it("names a wanted version or model that is not there", () => {
    addModel("a", "1");
    expect(() => listModelRepository(dir, { versions: { a: 7 } })).toThrow(
      named("ModelNotFound", /no version 7/),
    );
    expect(() => listModelRepository(dir, { versions: { b: 1 } })).toThrow(
      named("ModelNotFound", /versions names b/),
    );
  });

  it("refuses names that differ in case only", () => {
    addModel("Churn", "1");
    addModel("churn", "1");
    expect(() => listModelRepository(dir)).toThrow(
      named("DuplicateName", /Churn and churn differ only in case/),
    );
  });

  it("refuses a folder whose name cannot be a model's", () => {
    addModel("my model", "1");
    expect(() => listModelRepository(dir)).toThrow(
      named("ModelInvalid", /"my model" cannot be a model's name/),
    );
  });

  it("follows links inside the repository and refuses those that lead out (O9)", () => {
    addModel("a", "1");
    symlinkSync(join(dir, "a"), join(dir, "b"));
    expect(listModelRepository(dir).map(({ path }) => path)).toEqual(
      new Array(2).fill(join(dir, "a/1/model.onnx")),
    );
    mkdirSync(join(outside, "other/1"), { recursive: true });
    writeFileSync(join(outside, "other/1/model.onnx"), "");
    symlinkSync(join(outside, "other"), join(dir, "c"));
    expect(() => listModelRepository(dir)).toThrow(named("ModelInvalid", /c is a link that leads out/));
  });

  it("refuses a model file that is a link out, and a link to nowhere (O9)", () => {
    mkdirSync(join(dir, "a/1"), { recursive: true });
    writeFileSync(join(outside, "secret"), "");
    symlinkSync(join(outside, "secret"), join(dir, "a/1/model.onnx"));
    expect(() => listModelRepository(dir)).toThrow(
      named("ModelInvalid", /model\.onnx is a link that leads out/),
    );
    rmSync(join(dir, "a"), { recursive: true });
    symlinkSync(join(outside, "gone"), join(dir, "a"));
    expect(() => listModelRepository(dir)).toThrow(named("ModelNotFound", /there is no .*models\/a/));
  });
});
