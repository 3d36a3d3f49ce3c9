/** Seeds that have found something, and what it was; they are run for ever. */
export interface KnownSeed {
  readonly seed: number;
  readonly found: string;
}
export const KNOWN_SEEDS: readonly KnownSeed[] = [];
