/** `hive cancel ID [INDEX…]`: ends a job, or some of its tasks; what runs is stopped, the rest never starts. */

import type { JobInfo } from '@hive/client';
import type { CommandModule } from 'yargs';
import { formatCount, plural } from '../format.ts';
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
    if (indices.length === 0) {
      const job = await hive.cancel(id, { reason: REASON });
      print(argv, job, () => `Job ${job.id} is ${job.state}: ${formatOutcomes(job.counts)}.`);
      return;
    }
    const before = await hive.job(id);
    const job = await hive.cancel(id, { reason: REASON, indices });
    print(argv, job, () => formatCancelled(before, job, indices.length));
  },
};

/** `Cancelled 2 of 3 tasks: one had ended before, or is not there. Job … is running: 5 succeeded, 2 cancelled.` */
export function formatCancelled(
  before: Pick<JobInfo, 'counts'>,
  { id, state, counts }: Pick<JobInfo, 'id' | 'state' | 'counts'>,
  asked: number,
): string {
  const cancelled = Math.min(asked, counts.cancelled - before.counts.cancelled);
  return `${whatWas(cancelled, asked)} Job ${id} is ${state}: ${formatOutcomes(counts)}.`;
}

function whatWas(cancelled: number, asked: number): string {
  const others = asked - cancelled;
  const end = `had ended before, or ${others === 1 ? 'is' : 'are'} not there.`;
  if (others === 0) return `Cancelled ${plural(cancelled, 'task')}.`;
  if (cancelled === 0) return `Cancelled nothing: the ${asked === 1 ? 'task' : 'tasks'} ${end}`;
  return `Cancelled ${formatCount(cancelled)} of ${plural(asked, 'task')}: ${others === 1 ? 'one' : formatCount(others)} ${end}`;
}
