import { TuttiError } from "../errors/tutti-error.ts";
import { KEPT, type Kept } from "../observe/record-book.ts";
import type { RequestsQuery } from "../observe/requests-report.ts";

export type Format = "text" | "json";

export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 200;
export const MAX_TEXT_CHARS = 256;

/** A parsed query: repeated names come as lists. */
export type RawQuery = Readonly<Record<string, string | readonly string[] | undefined>>;

/** @throws TuttiError `InvalidArgument`, with the parameter as its path. */
export function requestsQuery(raw: RawQuery): RequestsQuery {
  checkNames(raw, [...KEPT, "limit", "id", "deployment", "format"]);
  const asked = KEPT.filter((kept) => raw[kept] !== undefined);
  for (const kept of asked) checkFlag(raw, kept);
  const [kept = "slow", second] = asked;
  if (second !== undefined) throw bad(second, `it cannot be asked for together with ${kept}`);
  return {
    kept: kept satisfies Kept,
    limit: wholeNumber(raw, "limit", DEFAULT_LIMIT, MAX_LIMIT),
    id: text(raw, "id"),
    deployment: text(raw, "deployment"),
  };
}

/** @throws TuttiError `InvalidArgument`, with the parameter as its path. */
export function checkNames(raw: RawQuery, known: readonly string[]): void {
  for (const name of Object.keys(raw)) {
    if (!known.includes(name)) throw bad(name, `unknown parameter; known: ${known.join(", ")}`);
    if (Array.isArray(raw[name])) throw bad(name, "expected once, got it repeatedly");
  }
}

/** `?format=` decides; else JSON for whoever says that they take it, and text for everybody else, such as `curl`. */
export function formatOf(raw: RawQuery, accept: string | undefined): Format {
  const format = text(raw, "format");
  if (format === "text" || format === "json") return format;
  if (format !== undefined) throw bad("format", `expected text or json, got ${JSON.stringify(format)}`);
  return /\bapplication\/json\b/i.test(accept ?? "") ? "json" : "text";
}

/** Of a parameter without a value; `1` and `true` are taken too, as people write them. */
export function isAsked(raw: RawQuery, name: string): boolean {
  const value = raw[name];
  if (value === undefined) return false;
  if (value === "" || value === "1" || value === "true") return true;
  throw bad(name, `expected no value, 1 or true, got ${JSON.stringify(value)}`);
}

function checkFlag(raw: RawQuery, name: string): void {
  const value = raw[name];
  if (value !== "") throw bad(name, `expected no value, got ${JSON.stringify(value)}`);
}

function wholeNumber(raw: RawQuery, name: string, fallback: number, max: number): number {
  const value = text(raw, name);
  if (value === undefined) return fallback;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= 1 && number <= max) return number;
  throw bad(name, `expected a whole number from 1 to ${max}, got ${JSON.stringify(value.slice(0, 50))}`);
}

function text(raw: RawQuery, name: string): string | undefined {
  const value = raw[name];
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "" && value.length <= MAX_TEXT_CHARS) return value;
  throw bad(name, `expected 1 to ${MAX_TEXT_CHARS} characters`);
}

const bad = (name: string, what: string): TuttiError =>
  new TuttiError("InvalidArgument", `query.${name}: ${what}`, { path: `query.${name}` });
