/** `hive gc [ID]`: ended jobs and their results go before their time. */
import type { CommandModule } from 'yargs';
import { plural } from '../format.ts';
import { findJob } from '../job-view.ts';
import { CLIENT_OPTIONS, connectTo, JSON_OPTION, type ViewArguments } from '../options.ts';
import { print } from '../print.ts';

interface GcArguments extends ViewArguments {
  readonly id?: string | undefined;
}

export const gcCommand: CommandModule<object, GcArguments> = {
  command: 'gc [id]',
  describe: 'Remove ended jobs and their results now',
  builder: (yargs) =>
    yargs
      .positional('id', { type: 'string', describe: 'Only this one' })
      .options({ ...CLIENT_OPTIONS, ...JSON_OPTION })
      .example('$0 gc', 'All that have ended; else they are kept for 7 days, or as their retention says')
      .example('$0 gc $ID', 'One of them') as never,
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive gc');
    const removed = await hive.gc(argv.id === undefined ? undefined : await findJob(hive, argv.id));
    print(argv, { removed }, () => `${plural(removed, 'job')} removed.`);
  },
};
