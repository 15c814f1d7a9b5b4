import { z } from "zod";
import { type Fault, type FaultPath, shown } from "./fault.ts";

/** Schemas whose messages are what they expect, in words; `faultsOf` makes faults of those. */

interface Bounds {
  readonly min: number;
  readonly max?: number;
}

const range = ({ min, max }: Bounds): string =>
  max === undefined ? `at least ${min}` : `from ${min} to ${max}`;

export function wholeNumber(bounds: Bounds) {
  const error = () => `a whole number ${range(bounds)}`;
  return bounded(z.int({ error }), bounds, error);
}

export function number(bounds: Bounds) {
  const error = () => `a number ${range(bounds)}`;
  return bounded(z.number({ error }), bounds, error);
}

function bounded(schema: z.ZodNumber, { min, max }: Bounds, error: () => string): z.ZodNumber {
  const above = schema.min(min, { error });
  return max === undefined ? above : above.max(max, { error });
}

export const flag = () => z.boolean({ error: () => "true or false" });

export function text(expected: string, pattern: RegExp = /\S/) {
  const error = () => expected;
  return z.string({ error }).regex(pattern, { error });
}

export const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: () => values.join(" or ") });

/** An object with these keys and no other. */
export function strict<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: ({ code }) => (code === "unrecognized_keys" ? `one of ${keys}` : `an object with ${keys}`),
  });
}

/** Every fault of a value that a schema has refused, each with its own path. */
export function faultsOf({ issues }: z.ZodError, value: unknown, at: FaultPath = []): Fault[] {
  return issues.flatMap((issue) => faultsOfIssue(issue, value, at));
}

function faultsOfIssue(issue: z.core.$ZodIssue, value: unknown, at: FaultPath): Fault[] {
  const inside = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  const path = [...at, ...inside];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: [...path, key],
      expected: issue.message,
      found: "an unknown key",
    }));
  }
  if (issue.code === "invalid_key") {
    const key = inside.at(-1);
    return [{ path, expected: issue.issues[0]?.message ?? issue.message, found: shown(key) }];
  }
  const found = valueAt(value, inside);
  if (issue.code === "invalid_union" && typeof found === "object" && found !== null) {
    // Of what may be an object or something else, an object was meant.
    const meant = issue.errors.find(
      (errors) => !errors.some(({ path }) => path.length === 0 && !isKeys(errors)),
    );
    if (meant !== undefined) return meant.flatMap((inner) => faultsOfIssue(inner, found, path));
  }
  return [{ path, expected: issue.message, found: shown(found) }];
}

/** Whether all that is wrong at the very place are unknown keys: then the place itself is of the right kind. */
const isKeys = (errors: readonly z.core.$ZodIssue[]): boolean =>
  errors.every(({ code, path }) => path.length > 0 || code === "unrecognized_keys");

function valueAt(value: unknown, path: FaultPath): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Readonly<Record<string | number, unknown>>)[part];
  }
  return at;
}
