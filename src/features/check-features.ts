import { TuttiError } from "../errors/tutti-error.ts";
import type { FeatureEntry, GetOptions } from "./feature-store.ts";

export const MAX_KEYS_PER_GET = 1_000;
/** In UTF-16 units: at most 1,536 bytes of UTF-8, below DynamoDB's 2,048 for a partition key. */
export const MAX_KEY_LENGTH = 512;
/** 256 KiB: with its key below DynamoDB's 400 KB for an item. */
export const MAX_VECTOR_LENGTH = 65_536;
/** `performance.now()` reaches this after 31 years; `Date.now()` passed it in 2001. */
const EPOCH_SCALE_MS = 1e12;

/** @throws TuttiError `InvalidArgument` that names the first key in the wrong. */
export function checkKeys(keys: readonly string[]): void {
  if (!Array.isArray(keys)) {
    throw invalid("keys", `expected an array of strings, got ${describe(keys)}`);
  }
  if (keys.length > MAX_KEYS_PER_GET) {
    throw invalid("keys", `a get takes at most ${MAX_KEYS_PER_GET} keys, got ${keys.length}; ask in parts`);
  }
  for (let index = 0; index < keys.length; index += 1) {
    if (!isKey(keys[index])) throw invalidKey(`keys[${index}]`, keys[index]);
  }
}

/** @param dimensions elements that every vector must have; `undefined` for any number up to the limit. */
export function checkEntry(entry: FeatureEntry, index: number, dimensions: number | undefined): void {
  if (typeof entry !== "object" || entry === null) {
    throw invalid(`rows[${index}]`, `expected { key, vector }, got ${describe(entry)}`);
  }
  if (!isKey(entry.key)) throw invalidKey(`rows[${index}].key`, entry.key);
  if (!(entry.vector instanceof Float32Array)) {
    throw invalid(`rows[${index}].vector`, `expected a Float32Array, got ${describe(entry.vector)}`);
  }
  const { length } = entry.vector;
  if (dimensions !== undefined && length !== dimensions) {
    throw invalid(
      `rows[${index}].vector`,
      `the vector of "${entry.key}" has ${length} elements, this store takes ${dimensions}`,
    );
  }
  if (length === 0 || length > MAX_VECTOR_LENGTH) {
    throw invalid(
      `rows[${index}].vector`,
      `a vector has 1 to ${MAX_VECTOR_LENGTH} elements, that of "${entry.key}" has ${length}`,
    );
  }
}

/** The rows of a put as an array, all of them checked before the first is written. */
export function checkedEntries(rows: Iterable<FeatureEntry>, dimensions: number | undefined): FeatureEntry[] {
  if (typeof rows !== "object" || rows === null || !(Symbol.iterator in rows)) {
    throw invalid("rows", `expected an iterable of { key, vector }, got ${describe(rows)}`);
  }
  const entries = [...rows];
  entries.forEach((entry, index) => {
    checkEntry(entry, index, dimensions);
  });
  return entries;
}

/**
 * Upholds the second half of F2.
 *
 * @throws TuttiError `Cancelled` or `DeadlineExceeded` with `started: "no"`; `InvalidArgument` for a deadline that is
 *   no number or was taken from the wrong clock.
 */
export function refuseEnded(options: GetOptions, nowMs: number): void {
  const { deadlineMs, signal } = options;
  // Written so that NaN is refused as well.
  if (!(deadlineMs <= EPOCH_SCALE_MS) && deadlineMs !== Number.POSITIVE_INFINITY) {
    throw invalid(
      "options.deadlineMs",
      `expected milliseconds on performance.now()'s scale or Infinity, got ${String(deadlineMs)}` +
        (deadlineMs > EPOCH_SCALE_MS ? ", which looks like Date.now()" : ""),
    );
  }
  if (signal?.aborted) throw cancelled("no");
  if (deadlineMs <= nowMs) {
    throw new TuttiError("DeadlineExceeded", "features: the deadline had passed before the look-up began", {
      started: "no",
    });
  }
}

export function cancelled(started: "no" | "yes"): TuttiError {
  return new TuttiError("Cancelled", "features: the caller cancelled the look-up", { started });
}

export function storeClosed(what: string): TuttiError {
  return new TuttiError("FeaturesUnavailable", `${what} is closed; open a new store`, { started: "no" });
}

/** A lone surrogate has no UTF-8 form: two such keys would become one in a store. */
function isKey(key: unknown): key is string {
  return typeof key === "string" && key.length > 0 && key.length <= MAX_KEY_LENGTH && key.isWellFormed();
}

function invalidKey(path: string, key: unknown): TuttiError {
  if (typeof key !== "string") return invalid(path, `expected a string, got ${describe(key)}`);
  if (key.length === 0) return invalid(path, "a key must not be empty");
  if (key.length > MAX_KEY_LENGTH) {
    return invalid(path, `a key has at most ${MAX_KEY_LENGTH} characters, got ${key.length}`);
  }
  return invalid(path, "a key must be well-formed Unicode, got a lone surrogate");
}

function invalid(path: string, message: string): TuttiError {
  return new TuttiError("InvalidArgument", `features: ${path}: ${message}`, { path, started: "no" });
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "object") return value.constructor?.name ?? "an object";
  return typeof value;
}
