/** `hive retry ID`: the tasks of an ended job that did not succeed run again; what succeeded stays. */
import type { CommandModule } from 'yargs';
import { plural } from '../format.ts';
import { findJob } from '../job-view.ts';
import { connectTo, JOB_POSITIONAL, type JobArguments } from '../options.ts';
import { print } from '../print.ts';

export const retryCommand: CommandModule<object, JobArguments> = {
  command: 'retry <id>',
  describe: 'Run what failed of an ended job again',
  builder: (yargs) =>
    JOB_POSITIONAL(yargs).example('$0 retry $ID && $0 wait $ID', 'Again, and wait for it') as never,
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive retry');
    const job = await hive.retry(await findJob(hive, argv.id));
    print(argv, job, () => `Job ${job.id} is ${job.state}: ${plural(job.retried, 'task')} will run again.`);
  },
};
