/** Medians and spreads. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), min: quantile(values, 0), max: quantile(values, 1) };
}

/** The value at a share (0 to 1) of the sorted values, interpolated between neighbours. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** How long things took one by one, in milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly min: number;
  readonly p99: number;
}
export function latency(values: readonly number[]): Latency {
  return { p50: quantile(values, 0.5), min: quantile(values, 0), p99: quantile(values, 0.99) };
}
