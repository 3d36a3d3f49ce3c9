/** `hive cancel ID [INDEX…]`: ends a job, or some of its tasks; what runs is stopped, the rest never starts. */
import type { CommandModule } from 'yargs';
import { parseIndices } from '../job/range.ts';
import { findJob, formatOutcomes } from '../job-view.ts';
import { connectTo, JOB_POSITIONAL, type JobArguments } from '../options.ts';
import { print } from '../print.ts';

interface CancelArguments extends JobArguments {
  readonly indices?: readonly string[] | undefined;
}
const REASON = 'cancelled with hive cancel';

export const cancelCommand: CommandModule<object, CancelArguments> = {
  command: 'cancel <id> [indices..]',
  describe: 'End a job, or some of its tasks',
  builder: (yargs) =>
    JOB_POSITIONAL(yargs)
      .positional('indices', { type: 'string', array: true, describe: 'Only these tasks: 7, 5-9' })
      .example('$0 cancel $ID', 'All of it, and what runs is stopped')
      .example('$0 cancel $ID 3 10-19', 'Eleven of its tasks') as never,
  handler: async (argv) => {
    const indices = parseIndices(argv.indices ?? []);
    await using hive = await connectTo(argv, 'hive cancel');
    const id = await findJob(hive, argv.id);
    const what = indices.length === 0 ? { reason: REASON } : { reason: REASON, indices };
    const job = await hive.cancel(id, what);
    print(argv, job, () => `Job ${job.id} is ${job.state}: ${formatOutcomes(job.counts)}.`);
  },
};
