/** `hive bench`: the benchmarks are a package of their own, loaded only when they are asked for. */
import type { CommandModule } from 'yargs';

export const benchCommand: CommandModule = {
  command: 'bench',
  describe: 'Measure a Hive of its own: echo, call, function, hash, command, api, …',
  builder: async (yargs) => {
    const { benchCommand: bench } = await import('@hive/bench');
    return (bench.builder as (argv: typeof yargs) => typeof yargs)(yargs);
  },
  handler: () => {},
};
