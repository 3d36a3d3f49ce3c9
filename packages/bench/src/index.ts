/** Benchmarks of The Hive: each starts its own processes, checks every result, and prints its limit beside the figure. */
export { benchCommand, parseSize } from './command.ts';
export { latency, quantile, spread } from './stats.ts';
