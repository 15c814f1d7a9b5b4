import { TuttiError } from "../errors/tutti-error.ts";
import type { Json } from "./ingress-target.ts";

export interface TemplateValues {
  readonly requestId: string;
  readonly latencyMs: number;
  readonly reason: string;
  readonly params: Readonly<Record<string, string>>;
  /** The request's parsed body, whatever it is. */
  readonly body: unknown;
}

type Slot = (values: TemplateValues) => unknown;

const DEEPEST = 64;

/** Compiles a JSON body into alternating constant text and slots, so that rendering is a join. */
export function compileTemplate(body: Json, where: string): (values: TemplateValues) => string {
  const parts: (string | Slot)[] = [];
  emit(body, where, 0, parts);
  const merged = mergeText(parts);
  return (values) => {
    let text = "";
    for (const part of merged)
      text += typeof part === "string" ? part : (JSON.stringify(part(values)) ?? "null");
    return text;
  };
}

function emit(value: unknown, where: string, depth: number, parts: (string | Slot)[]): void {
  if (depth > DEEPEST) throw invalid(where, "nests too deep, or contains itself");
  if (typeof value === "string") {
    parts.push(slotFor(value) ?? JSON.stringify(value));
  } else if (
    value === null ||
    typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value))
  ) {
    parts.push(String(value));
  } else if (Array.isArray(value)) {
    emitList("[", "]", value, parts, (item, index) => emit(item, `${where}[${index}]`, depth + 1, parts));
  } else if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    emitList("{", "}", entries, parts, ([key, inner]) => {
      parts.push(`${JSON.stringify(key)}:`);
      emit(inner, `${where}.${key}`, depth + 1, parts);
    });
  } else {
    throw invalid(where, `expected JSON, got ${typeof value === "number" ? value : typeof value}`);
  }
}

function emitList<T>(
  open: string,
  close: string,
  items: readonly T[],
  parts: (string | Slot)[],
  each: (item: T, index: number) => void,
): void {
  parts.push(open);
  items.forEach((item, index) => {
    if (index > 0) parts.push(",");
    each(item, index);
  });
  parts.push(close);
}

function slotFor(text: string): Slot | undefined {
  if (text === "$requestId") return (values) => values.requestId;
  if (text === "$latencyMs") return (values) => Math.round(values.latencyMs * 100) / 100;
  if (text === "$reason") return (values) => values.reason;
  if (text.startsWith("$params.")) {
    const name = text.slice("$params.".length);
    return (values) => ownValue(values.params, name);
  }
  if (text.startsWith("$body.")) {
    const field = text.slice("$body.".length);
    return (values) => ownValue(values.body, field);
  }
  return undefined;
}

function ownValue(object: unknown, key: string): unknown {
  if (typeof object !== "object" || object === null || !Object.hasOwn(object, key)) return null;
  return Reflect.get(object, key);
}

function mergeText(parts: readonly (string | Slot)[]): readonly (string | Slot)[] {
  const merged: (string | Slot)[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (typeof part === "string" && typeof last === "string") merged[merged.length - 1] = last + part;
    else merged.push(part);
  }
  return merged;
}

function invalid(where: string, what: string): TuttiError {
  return new TuttiError("InvalidOptions", `${where}: ${what}`, { path: where });
}
