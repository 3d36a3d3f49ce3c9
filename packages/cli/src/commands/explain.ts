/** `hive explain ID`: why a job is where it is, in sentences. */
import type { CommandModule } from 'yargs';
import { findJob } from '../job-view.ts';
import { connectTo, JOB_POSITIONAL, type JobArguments } from '../options.ts';
import { print } from '../print.ts';

export const explainCommand: CommandModule<object, JobArguments> = {
  command: 'explain <id>',
  describe: 'Why a job is where it is',
  builder: JOB_POSITIONAL,
  handler: async (argv) => {
    await using hive = await connectTo(argv, 'hive explain');
    const job = await findJob(hive, argv.id);
    const lines = await hive.explain(job);
    print(argv, { job, lines }, () => lines.join('\n'));
  },
};
