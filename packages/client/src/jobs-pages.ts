/** Lists of jobs, a page at a time: what is asked of the Queen, and how her pages become one list. */
import { LIMITS, type Message } from '@hive/shared';
import type { JobInfo, JobsPage, JobsPlace } from './overview.ts';

/** Which jobs are listed. */
export interface JobsOptions {
  readonly limit?: number | undefined;
  /** Also those that only hold calls. */
  readonly hidden?: boolean | undefined;
  /** Those of all nodes of a mesh; of one that is away, what was heard last, with `lastKnownAt`. */
  readonly everywhere?: boolean | undefined;
}
export interface JobsPageOptions extends JobsOptions {
  readonly before?: JobsPlace | undefined;
}

export async function newestJobs(
  pageOf: (options: JobsPageOptions) => Promise<JobsPage>,
  { limit = 100, hidden, everywhere }: JobsOptions,
): Promise<readonly JobInfo[]> {
  const jobs: JobInfo[] = [];
  let page: JobsPage | null = null;
  // A Queen tells of so many at once.
  while (jobs.length < limit && (page === null || page.next !== undefined)) {
    const before = page === null ? {} : { before: page.next! };
    page = await pageOf({ limit: limit - jobs.length, hidden, everywhere, ...before });
    for (const job of page.jobs) jobs.push(job);
  }
  return jobs;
}

export function queryFor({
  limit = 100,
  hidden,
  before,
  everywhere,
}: JobsPageOptions): Partial<Message<'Query'>> {
  return {
    limit: Math.min(limit, LIMITS.answerEntriesMax),
    ...(hidden === undefined ? {} : { hidden }),
    ...(before === undefined ? {} : typeof before === 'number' ? { before } : { olderThan: before }),
    ...(everywhere === undefined ? {} : { everywhere }),
  };
}

/** The answer to such a query. */
export function pageOfJobs(answer: unknown): JobsPage {
  const { older, ...page } = answer as JobsPage & { readonly older?: string };
  return older === undefined ? page : { ...page, next: older };
}
