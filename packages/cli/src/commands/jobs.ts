/** `hive jobs`: what there is to do, and what was done, newest first. */

import type { JobInfo } from '@hive/client';
import type { CommandModule } from 'yargs';
import { formatCount, formatDuration } from '../format.ts';
import { formatProgress } from '../job-view.ts';
import { CLIENT_OPTIONS, connectTo, JSON_OPTION, type ViewArguments, wholeNumber } from '../options.ts';
import { print } from '../print.ts';
import { formatTable } from '../table.ts';

interface JobsArguments extends ViewArguments {
  readonly limit: number;
  readonly all: boolean;
  readonly hidden: boolean;
}

export const jobsCommand: CommandModule<object, JobsArguments> = {
  command: 'jobs',
  describe: 'The newest jobs',
  builder: {
    ...CLIENT_OPTIONS,
    ...JSON_OPTION,
    limit: { alias: 'n', type: 'number', default: 20, requiresArg: true, describe: 'How many' },
    all: {
      alias: 'a',
      type: 'boolean',
      default: false,
      describe: 'All of them',
    },
    hidden: { type: 'boolean', default: false, describe: "Also those behind a client's single calls" },
  },
  handler: async (argv) => {
    const limit = argv.all
      ? Number.POSITIVE_INFINITY
      : wholeNumber('--limit', argv.limit, 1, Number.MAX_SAFE_INTEGER);
    await using hive = await connectTo(argv, 'hive jobs');
    const jobs = await hive.jobs({ limit, hidden: argv.hidden, everywhere: true });
    print(argv, { jobs }, () => formatJobs(jobs));
  },
};

function formatJobs(jobs: readonly JobInfo[]): string {
  if (jobs.length === 0) return 'There are no jobs. Submit one, for instance with "hive submit hash TEXT".';
  const columns = [
    { head: 'JOB' },
    { head: 'STATE' },
    { head: 'DONE', align: 'right' },
    { head: 'FAILED', align: 'right' },
    { head: 'TIME', align: 'right' },
    { head: 'KIND' },
    { head: 'NAME' },
  ] as const;
  const rows = jobs.map((job) => [
    job.id,
    job.lastKnownAt === undefined ? job.state : `${job.state} (${job.nodeName ?? 'elsewhere'})`,
    formatProgress(job),
    formatCount(job.counts.failed),
    formatDuration(job.elapsedMillis),
    job.kind,
    job.name,
  ]);
  return formatTable(columns, rows);
}
