/** `hive job ID`: all about one job. */

import type { CommandModule } from 'yargs';
import { findJob, formatJob } from '../job-view.ts';
import { connectTo, JOB_POSITIONAL, type JobArguments } from '../options.ts';
import { print } from '../print.ts';
import { formatPairs } from '../table.ts';

export const jobCommand: CommandModule<object, JobArguments> = {
  command: 'job <id>',
  describe: 'All about one job',
  builder: JOB_POSITIONAL,
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive job');
    const job = await hive.job(await findJob(hive, argv.id));
    print(argv, job, () => formatPairs(formatJob(job)));
  },
};
