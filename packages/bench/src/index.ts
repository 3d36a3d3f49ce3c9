/** Benchmarks of The Hive: each starts its own processes, checks every result, and prints its limit beside the figure. */
export { benchCommand } from './command.ts';
export { parseSize } from './options.ts';
export { latency, quantile, spread } from './stats.ts';
