import { TuttiError } from "../errors/tutti-error.ts";

/** One option: what it accepts, in words and as a check, and what it is when absent. */
export interface Field<T> {
  readonly expected: string;
  accepts(value: unknown): boolean;
  /** Absent for an option that must be given. */
  readonly fallback?: T;
}

export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

/**
 * Options as given → complete and frozen.
 *
 * @param subject whose options they are, for messages, e.g. `embedded store`.
 * @throws TuttiError `InvalidOptions` naming the key, what was expected and what was found.
 */
export function resolveOptions<T extends object>(
  subject: string,
  fields: Fields<T>,
  given: unknown,
): Readonly<T> {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw invalidOption(subject, "options", "an object", given);
  }
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(fields, key)) {
      throw invalidOption(subject, key, `one of ${Object.keys(fields).join(", ")}`, "an unknown option");
    }
  }
  const values = new Map<string, unknown>(Object.entries(given));
  const resolved: Record<string, unknown> = {};
  for (const [key, field] of Object.entries<Field<unknown>>(fields)) {
    const value = values.get(key);
    if (value !== undefined && !field.accepts(value))
      throw invalidOption(subject, key, field.expected, value);
    if (value === undefined && !("fallback" in field)) {
      throw invalidOption(subject, key, field.expected, "nothing");
    }
    resolved[key] = value ?? field.fallback;
  }
  // The loop above has checked each field of T, which the compiler cannot follow.
  return Object.freeze(resolved) as Readonly<T>;
}

export function wholeNumber(min: number, max: number, fallback: number): Field<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    accepts: (value) => Number.isSafeInteger(value) && inRange(value, min, max),
    fallback,
  };
}

/** Milliseconds, fractions allowed. */
export function duration(min: number, max: number, fallback: number): Field<number> {
  return {
    expected: `milliseconds from ${min} to ${max}`,
    accepts: (value) => inRange(value, min, max),
    fallback,
  };
}

export function fraction(fallback: number): Field<number> {
  return { expected: "a number from 0 to 1", accepts: (value) => inRange(value, 0, 1), fallback };
}

export function flag(fallback: boolean): Field<boolean> {
  return { expected: "true or false", accepts: (value) => typeof value === "boolean", fallback };
}

/** Text that must be given, unless there is a fallback. */
export function text(fallback?: string): Field<string> {
  return {
    expected: "a text that is not empty",
    accepts: (value) => typeof value === "string" && value.length > 0,
    ...(fallback === undefined ? {} : { fallback }),
  };
}

export function optional<T>(field: Field<T>): Field<T | undefined> {
  return { expected: field.expected, accepts: field.accepts, fallback: undefined };
}

export function invalidOption(subject: string, key: string, expected: string, found: unknown): TuttiError {
  const message = `${subject}: option "${key}": expected ${expected}, found ${describe(found)}`;
  return new TuttiError("InvalidOptions", message, { path: key, started: "no" });
}

function inRange(value: unknown, min: number, max: number): boolean {
  return typeof value === "number" && value >= min && value <= max;
}

function describe(value: unknown): string {
  if (value === "an unknown option" || value === "nothing") return value;
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "an object";
  return String(value);
}
