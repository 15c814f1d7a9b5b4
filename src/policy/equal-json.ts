import type { Json } from "./desired-state.ts";

/** Whether two values are one, whatever the order of their keys. */
export function equalJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [new Map(Object.entries<Json>(a)), new Map(Object.entries<Json>(b))];
  if (left.size !== right.size) return false;
  for (const [key, value] of left) {
    const other = right.get(key);
    if (other === undefined || !equalJson(value, other)) return false;
  }
  return true;
}
