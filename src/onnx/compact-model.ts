import { randomUUID } from "node:crypto";
import { access, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import type { OrtModule } from "./load-onnx-runtime.ts";
import type { ModelHeader } from "./model-header.ts";
import { type ResolvedSessionOptions, toOrtOptions } from "./session-options.ts";

/**
 * Tree models in a form that takes less memory.
 *
 * Loading trees from ONNX leaves most of what it needed freed but scattered in the heap: a file of 0.57 MB takes
 * 2.6 MB. From ONNX Runtime's own format ("ORT format") the same model takes 0.6 MB. So it is converted once on each node,
 * into a directory that only this node's user can enter, and every executor of the node loads the converted file.
 * Figures: docs/decisions/0009.
 *
 * O11. It is never the reason for a failure: whatever goes wrong with a conversion or with a converted file ends as
 *      "no session from here", and the model is loaded from its verified ONNX bytes.
 * O12. A converted file is complete under its name, or not there: it is written under another and renamed. Executors
 *      may convert one model at the same time; their files are equal.
 * O13. What is loaded has the metadata and gives the answers of the ONNX file, bit for bit.
 */
export interface CompactCache {
  /** Converted files are trusted as they are, so that nobody but this node may write here. */
  readonly directory: string;
}

/** For each MB of model a conversion takes about 25 ms and up to 3.4 MB of disk: more would hold up a start. */
export const MAX_COMPACT_BYTES = 4 * 2 ** 20;

/** Trees, and what else came from scikit-learn's kind of models. The others gain nothing: weights are held as they are. */
const DOMAIN_THAT_GAINS = "ai.onnx.ml";

export interface CompactKey {
  readonly sha256: string;
  readonly options: ResolvedSessionOptions;
}

/** A model whose bytes have that SHA-256 and whose header has been found good. */
export interface CompactSource extends CompactKey {
  readonly bytes: Uint8Array;
  readonly header: ModelHeader;
}

export function isWorthCompacting({ bytes, header, options }: CompactSource): boolean {
  return options.compact && bytes.length <= MAX_COMPACT_BYTES && header.opsets.has(DOMAIN_THAT_GAINS);
}

/** Everything that makes the converted file another: the model, who converts, and how far the graph is optimised. */
export function compactPath(ort: OrtModule, cache: CompactCache, { sha256, options }: CompactKey): string {
  const version = ort.env.versions.node ?? ort.env.versions.common;
  return join(
    cache.directory,
    `${sha256.toLowerCase()}-${version}-${options.graphOptimizationLevel}-${process.arch}.ort`,
  );
}

/** A session from the converted file, which is made first if it is not there; undefined when that cannot be (O11). */
export async function openCompact(
  ort: OrtModule,
  cache: CompactCache,
  source: CompactSource,
): Promise<InferenceSession | undefined> {
  if (!isWorthCompacting(source)) return undefined;
  const path = compactPath(ort, cache, source);
  try {
    if (!(await exists(path))) await convert(ort, source, path);
    // By its path: given as bytes, they leave a hole in the heap.
    return await ort.InferenceSession.create(
      path,
      toOrtOptions(source.options, { load_model_format: "ORT" }),
    );
  } catch {
    return undefined;
  }
}

/**
 * Makes the converted file ahead of its first use, unless another executor has begun to: so executors that are to load
 * the same models share the work.
 *
 * @param read is asked for the model only by the executor that is to convert it; it may fail.
 */
export async function convertAhead(
  ort: OrtModule,
  cache: CompactCache,
  key: CompactKey,
  read: () => Promise<CompactSource>,
): Promise<void> {
  if (!key.options.compact) return;
  const path = compactPath(ort, cache, key);
  try {
    // Left there for good: of one who died over it, the others convert when they need the file.
    await (await open(`${path}.begun`, "wx")).close();
    const source = await read();
    if (isWorthCompacting(source)) await convert(ort, source, path);
  } catch {
    // Begun by another, or impossible (O11).
  }
}

/** O12. Blocks the thread, as a load does. */
async function convert(ort: OrtModule, source: CompactSource, path: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`;
  try {
    const session = await ort.InferenceSession.create(source.bytes, {
      ...toOrtOptions(source.options, { save_model_format: "ORT" }),
      optimizedModelFilePath: unfinished,
    });
    await session.release();
    await rename(unfinished, path);
  } catch (thrown) {
    await rm(unfinished, { force: true });
    throw thrown;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
