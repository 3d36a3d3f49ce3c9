/**
 * Lists of jobs, newest first, in pages. Of this Queen's own jobs the order is that of submission. Those of a whole mesh are
 * ordered by their `createdAt`, and by id where that is the same: every node orders so, and a page goes on behind the last
 * one by that place alone. So nothing is kept between two pages, and jobs that come, go, or lose their node meanwhile neither
 * repeat nor hide others.
 *
 * Cost of a page: one pass over the own jobs; memory for one page of each node, and in all at most `PAGES_ENTRIES_MAX`.
 */
import { LIMITS, type Message, type Plain } from '@hive/shared';
import type { Job } from './job.ts';
import { summaryOf } from './job-summary.ts';
import { jobsElsewhere } from './nodes.ts';
import type { State } from './state.ts';
import type { SchedulerEvent } from './types.ts';

type Body = { readonly [key: string]: Plain | undefined };

/** A page that another node gave of its own jobs. */
export interface NodePage {
  readonly node: string;
  readonly jobs: readonly Body[];
  /** Whether it has older ones. */
  readonly hasMore: boolean;
}

/** Summaries that are gathered for one page, from all nodes together. */
const PAGES_ENTRIES_MAX = 20_000;

/** How many jobs each of so many nodes is asked for, so that what comes is bounded. */
export const entriesOfEach = (limit: number, nodes: number): number =>
  Math.max(1, Math.min(limit, Math.floor(PAGES_ENTRIES_MAX / Math.max(1, nodes))));

/** The newest of the own jobs, newest first. */
function newestJobs(
  state: State,
  limit: number,
  withHidden: boolean,
  before = Number.POSITIVE_INFINITY,
): Job[] {
  const jobs: Job[] = [];
  for (const job of state.jobs.values())
    if ((withHidden || !job.isHidden) && job.order < before) jobs.push(job);
  jobs.sort((a, b) => b.order - a.order);
  return jobs.slice(0, limit);
}

export function jobsOf(state: State, limit: number, withHidden: boolean): Body[] {
  return newestJobs(state, limit, withHidden).map((job) => summaryOf(state, job));
}

/** Answers `Query` about `jobs`. */
export function jobsPage(state: State, message: Message<'Query'>, limit: number, isForNode: boolean): Body {
  if (message.everywhere !== true) return ownPage(state, limit, message.hidden === true, message.before);
  if (!isForNode) return pageEverywhere(state, message, limit, []);
  // Another node gathers: it wants what is this one's.
  const { jobs, hasMore } = ownPart(state, message, limit);
  return { jobs, ...(hasMore ? { older: placeOf(jobs.at(-1)!) } : {}) };
}

/** `next` is the place in the order of submission from which on older ones follow, whatever is removed meanwhile. */
function ownPage(state: State, limit: number, withHidden: boolean, before?: number): Body {
  const found = newestJobs(state, limit + 1, withHidden, before);
  const jobs = found.slice(0, limit);
  const next = found.length > limit ? jobs.at(-1)?.order : undefined;
  return { jobs: jobs.map((job) => summaryOf(state, job)), ...(next === undefined ? {} : { next }) };
}

/** The other nodes have given their pages: the answer is put together from all of them. */
export function jobsGathered(
  state: State,
  { session, message, pages }: Extract<SchedulerEvent, { readonly type: 'jobsGathered' }>,
): void {
  // Its client may have gone meanwhile.
  if (!state.sessions.has(session)) return;
  const limit = Math.min(message.limit ?? 100, LIMITS.answerEntriesMax);
  const body = pageEverywhere(state, message, limit, pages);
  state.sendAfterCommit(session, { type: 'Answer', request: message.request, body });
}

function pageEverywhere(
  state: State,
  message: Message<'Query'>,
  limit: number,
  pages: readonly NodePage[],
): Body {
  const parts = [ownPart(state, message, limit), ...pages];
  // A node that is there speaks for itself; of the others there is what was heard last.
  const answered = new Set(pages.map(({ node }) => node));
  const away = jobsElsewhere(state, answered).filter((body) => isOlder(body, message.olderThan));
  const all = [...parts.flatMap(({ jobs }) => jobs), ...away].sort(newestFirst);
  // Below the last one of a node that has more, there may be jobs of it that are not here: the page ends there.
  let floor = '';
  for (const { jobs, hasMore } of parts)
    if (hasMore && jobs.length > 0 && placeOf(jobs.at(-1)!) > floor) floor = placeOf(jobs.at(-1)!);
  const known = all.filter((body) => placeOf(body) >= floor);
  const jobs = known.slice(0, limit);
  const isWhole = jobs.length === all.length && floor === '';
  return { jobs, ...(isWhole || jobs.length === 0 ? {} : { older: placeOf(jobs.at(-1)!) }) };
}

/** This Queen's own jobs that are older than a place, as many as are asked for. */
function ownPart(
  state: State,
  { olderThan, hidden }: Message<'Query'>,
  limit: number,
): { readonly jobs: Body[]; readonly hasMore: boolean } {
  const own: Job[] = [];
  for (const job of state.jobs.values()) if (hidden === true || !job.isHidden) own.push(job);
  own.sort(oldestFirst);
  let end = own.length;
  if (olderThan !== undefined) {
    let low = 0;
    while (low < end) {
      const middle = (low + end) >>> 1;
      if (placeOfJob(state, own[middle]!) < olderThan) low = middle + 1;
      else end = middle;
    }
  }
  const first = Math.max(0, end - limit);
  const jobs = own.slice(first, end).reverse();
  return { jobs: jobs.map((job) => summaryOf(state, job)), hasMore: first > 0 };
}

const oldestFirst = (a: Job, b: Job): number =>
  Math.trunc(a.submittedAt) - Math.trunc(b.submittedAt) || (a.id < b.id ? -1 : 1);

/** Where a job stands in the order of all nodes' jobs: such texts compare as the jobs do. */
export const placeOf = (body: Body): string => `${String(body['createdAt'])} ${String(body['id'])}`;
const placeOfJob = (state: State, { submittedAt, id }: Job): string =>
  `${state.identity.formatTime(submittedAt)} ${id}`;
const newestFirst = (a: Body, b: Body): number => (placeOf(a) < placeOf(b) ? 1 : -1);
const isOlder = (body: Body, place: string | undefined): boolean =>
  place === undefined || placeOf(body) < place;
