/** The functions that are measured: the same for the Hive and for Piscina. */

/** Next to nothing, so that everything around it is measured. */
export const tiny = (n: number): number => n + 1;

/** Keeps a processor busy for a millisecond. */
export function millisecond(n: number): number {
  const end = performance.now() + 1;
  while (performance.now() < end);
  return n;
}
