/** Draws from [0, 1). */
export type Random = () => number;

/** A small fast generator with 32 bits of state (mulberry32, by Tommy Ettinger); the same seed gives the same draws. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A seed for one part of the world: each part draws for itself, so that one more draw in one of them does not shift
 * those of all others (FNV-1a over the name, from the seed).
 */
export function deriveSeed(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}

/** A waiting time of a Poisson process (exponential), by inversion. */
export const exponential = (meanMs: number, random: Random): number => -meanMs * Math.log(1 - random());
