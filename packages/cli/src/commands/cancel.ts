/** `hive cancel ID`: ends a job; what runs is stopped, the rest never starts. */
import type { CommandModule } from 'yargs';
import { findJob, formatOutcomes } from '../job-view.ts';
import { connectTo, JOB_POSITIONAL, type JobArguments } from '../options.ts';
import { print } from '../print.ts';

export const cancelCommand: CommandModule<object, JobArguments> = {
  command: 'cancel <id>',
  describe: 'End a job',
  builder: JOB_POSITIONAL,
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive cancel');
    const job = await hive.cancel(await findJob(hive, argv.id), 'cancelled with hive cancel');
    print(argv, job, () => `Job ${job.id} is ${job.state}: ${formatOutcomes(job.counts)}.`);
  },
};
