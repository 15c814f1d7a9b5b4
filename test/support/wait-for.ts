export interface WaitOptions {
  /** Said when the condition does not come true. */
  readonly what: string;
  readonly timeoutMs?: number;
  readonly everyMs?: number;
}

/** Asks again and again until the answer is truthy, and returns it. A condition that throws counts as not yet true. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 10_000, everyMs = 10 }: WaitOptions,
): Promise<NonNullable<T>> {
  const endAtMs = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      last = await condition();
      if (last) return last as NonNullable<T>;
    } catch (thrown) {
      last = thrown;
    }
    if (performance.now() >= endAtMs)
      throw new Error(`not within ${timeoutMs} ms: ${what}; last: ${String(last)}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
