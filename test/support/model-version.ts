import { mkdirSync } from "node:fs";
import path from "node:path";
import { identityModel, writeModel } from "../onnx/model-proto.ts";

/** Writes a version of a repository's model `same`, which takes and gives rows that are as wide as its number says. */
export function writeModelVersion(repository: string, version: number): void {
  const folder = path.join(repository, "same", String(version));
  mkdirSync(folder, { recursive: true });
  writeModel(path.join(folder, "model.onnx"), identityModel("float32", ["N", version]));
}
