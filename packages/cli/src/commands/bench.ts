/** `hive bench`: the benchmarks are a package of their own, loaded only when they are asked for. */
import { UsageError } from '@hive/shared';
import type { CommandModule } from 'yargs';

export const benchCommand: CommandModule = {
  command: 'bench',
  describe: false,
  handler: () => {
    throw new UsageError('There are no benchmarks yet.', 'unsupported');
  },
};
