/**
 * Chance that can be had again: the same seed gives the same numbers. For jitter and for tests, never for secrets.
 * mulberry32 (Tommy Ettinger): small, fast, and good enough for both.
 */

/** A source of numbers in [0, 1), from a seed of 32 bits. */
export function seededChance(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
