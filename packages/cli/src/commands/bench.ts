/** `hive bench`: the benchmarks are a package of their own. */
export { benchCommand } from '@hive/bench';
