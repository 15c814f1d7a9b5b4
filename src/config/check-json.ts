import { type Fault, type FaultPath, shown } from "./fault.ts";

/** Deeper than anything that people write; less than what recursion can take. */
export const MAX_DEPTH = 32;

/**
 * Whether data is plain JSON, all through: what a parser of YAML or JSON may give beside it is a fault, and so is a key
 * that means something to objects themselves.
 */
export function jsonFaults(value: unknown, at: FaultPath = []): Fault[] {
  const faults: Fault[] = [];
  visit(value, at, MAX_DEPTH, faults);
  return faults;
}

function visit(value: unknown, path: FaultPath, depthLeft: number, faults: Fault[]): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) faults.push({ path, expected: "a finite number", found: String(value) });
    else if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      const expected = "a number that is exact (as text if it is a name or an id)";
      faults.push({ path, expected, found: String(value) });
    }
    return;
  }
  if (typeof value !== "object" || !isPlain(value)) {
    faults.push({
      path,
      expected: "JSON",
      found: typeof value === "object" ? "another object" : shown(value),
    });
    return;
  }
  if (depthLeft === 0) {
    faults.push({ path, expected: `at most ${MAX_DEPTH} levels`, found: "more" });
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    const inside = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === "__proto__") faults.push({ path: inside, expected: "another key", found: shown(key) });
    else visit(inner, inside, depthLeft - 1, faults);
  }
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
