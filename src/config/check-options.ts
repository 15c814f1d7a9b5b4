import { TuttiError } from "../errors/tutti-error.ts";

/** @throws TuttiError `InvalidOptions` for what is no object of options, or naming the first key that is not known. */
export function checkKeys(
  where: string,
  options: unknown,
  known: readonly string[],
): asserts options is object {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: expected an object of options, got ${describe(options)}`,
    );
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new TuttiError("InvalidOptions", `${where}: unknown option ${key}; known: ${known.join(", ")}`);
    }
  }
}

export interface NumberBounds {
  readonly default: number;
  readonly min: number;
  readonly max?: number;
}

export function wholeNumber(where: string, value: unknown, bounds: NumberBounds): number {
  const found = finiteNumber(where, value, bounds);
  if (!Number.isInteger(found))
    throw new TuttiError("InvalidOptions", `${where}: expected a whole number, got ${found}`);
  return found;
}

export function finiteNumber(
  where: string,
  value: unknown,
  { default: fallback, min, max }: NumberBounds,
): number {
  if (value === undefined) return fallback;
  if (
    typeof value !== "number" ||
    !Number.isFinite(value) ||
    value < min ||
    (max !== undefined && value > max)
  ) {
    const range = max === undefined ? `at least ${min}` : `from ${min} to ${max}`;
    throw new TuttiError("InvalidOptions", `${where}: expected a number ${range}, got ${describe(value)}`);
  }
  return value;
}

export function oneOf<T extends string>(where: string, value: unknown, known: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  const found = known.find((one) => one === value);
  if (found === undefined) {
    throw new TuttiError(
      "InvalidOptions",
      `${where}: expected ${known.join(" or ")}, got ${describe(value)}`,
    );
  }
  return found;
}

export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
