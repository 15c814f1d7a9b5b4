import { LIFECYCLE_HOOKS } from "./reserved-names.ts";

/** Methods on the class and those it inherits; batched fields are only known on an instance. */
export function methodNames(prototype: object): string[] {
  const names = new Set<string>();
  for (
    let at: object | null = prototype;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof property.value === "function" && !LIFECYCLE_HOOKS.has(name)) names.add(name);
    }
  }
  return [...names];
}

/** Those of its methods that are written as async generators, whose calls are answered by streams. */
export function streamNames(prototype: object): string[] {
  return methodNames(prototype).filter(
    (name) =>
      Object.prototype.toString.call((prototype as Record<string, unknown>)[name]) ===
      "[object AsyncGeneratorFunction]",
  );
}
