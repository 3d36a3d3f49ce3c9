/** Jobs as people see them, and how they name one. */
import type { Hive, JobInfo } from '@hive/client';
import { type Counts, isJobId, type JobId, jobId, UsageError } from '@hive/shared';

import { formatCount, formatDuration, plural } from './format.ts';

/**
 * The job that a person named by its id, or by a beginning or end of it that only one job has.
 * @throws UsageError when there is none, or more than one
 */
export async function findJob(hive: Hive, written: string): Promise<JobId> {
  const text = written.toLowerCase();
  if (isJobId(text)) return text;
  const all = await hive.jobs({ limit: Number.POSITIVE_INFINITY, hidden: true, everywhere: true });
  const found = text === '' ? [] : all.filter(({ id }) => id.startsWith(text) || id.endsWith(text));
  if (found.length === 1) return jobId(found[0]!.id);
  if (found.length === 0)
    throw new UsageError(`There is no job "${written}". "hive jobs" lists them.`, 'unknownJob');
  throw new UsageError(
    `"${written}" fits ${plural(found.length, 'job')}. Write more of its id.`,
    'ambiguousJob',
  );
}

/** `1,200/2,000 (60 %)`: how far it is, or how far it came: what ended before its time says `cancelled at 60 %`. */
export function formatProgress({
  counts,
  sealed,
  state,
}: Pick<JobInfo, 'counts' | 'sealed' | 'state'>): string {
  const wasCutShort = state === 'cancelled' || state === 'failed';
  // Tasks that never ran because their job ended are not done; one that was cancelled by itself needs nothing more.
  const done = counts.succeeded + counts.failed + (wasCutShort ? 0 : counts.cancelled);
  const total = `${formatCount(counts.appended)}${sealed || wasCutShort ? '' : '+'}`;
  if (!sealed || counts.appended === 0) return `${formatCount(done)}/${total}`;
  const share = `${Math.floor((done * 100) / counts.appended)} %`;
  return `${formatCount(done)}/${total} (${state === 'cancelled' ? `cancelled at ${share}` : share})`;
}

/** `12 succeeded, 1 failed`: what became of its tasks, without what there is none of. */
export function formatOutcomes({ succeeded, failed, cancelled, running }: Counts): string {
  const parts = Object.entries({ succeeded, failed, cancelled, running }).filter(([, count]) => count > 0);
  return parts.length === 0
    ? 'nothing yet'
    : parts.map(([what, count]) => `${formatCount(count)} ${what}`).join(', ');
}

/** Where it is, if not at the node that was asked. */
function nodeOf({ node, nodeName, nodeAddresses, lastKnownAt }: JobInfo): [string, string][] {
  if (nodeAddresses === undefined && lastKnownAt === undefined) return [];
  const name = nodeName ?? node ?? '';
  if (lastKnownAt !== undefined)
    return [['Node', `${name}, which is away: this was known at ${lastKnownAt}`]];
  return [['Node', `${name} at ${nodeAddresses![0]}`]];
}

export function formatJob(job: JobInfo): readonly (readonly [string, string])[] {
  return [
    ['Job', job.id],
    ['Name', job.name],
    ['Kind', job.kind],
    ['State', job.message === undefined ? job.state : `${job.state}: ${job.message}`],
    ...nodeOf(job),
    ['Tasks', `${formatProgress(job)}: ${formatOutcomes(job.counts)}`],
    ['Submitted', job.createdAt],
    job.endedAt === undefined
      ? ['Running for', formatDuration(job.elapsedMillis)]
      : ['Took', formatDuration(job.elapsedMillis)],
    ['Priority', String(job.priority)],
    [
      'Client',
      job.attached
        ? 'attached: without its client it is cancelled'
        : 'detached: it goes on without its client',
    ],
  ];
}
