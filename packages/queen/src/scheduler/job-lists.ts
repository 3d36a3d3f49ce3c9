/**
 * Lists of jobs, newest first, in pages. Of this Queen's own jobs the order is that of submission. Those of a whole mesh are
 * ordered by their `createdAt`, and by id where that is the same: every node orders so, and a page goes on behind the last
 * one by that place alone. So nothing is kept between two pages, and jobs that come, go, or lose their node meanwhile neither
 * repeat nor hide others.
 *
 * Cost of a page: one pass over the own jobs; of each other node some more than its share of the page, and a whole page of
 * those that have more of it (at most `PAGES_ENTRIES_MAX` in all), merged in their order.
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
/** What each node is asked for beyond its share of a page, because none has just its share. */
const SHARE_MORE = 1.5;
const ENTRIES_MORE = 16;

/** How many jobs each of so many nodes is asked for at first. */
export const entriesOfEach = (limit: number, nodes: number): number =>
  Math.min(limit, Math.ceil((limit / Math.max(1, nodes)) * SHARE_MORE) + ENTRIES_MORE);

/** How many each of those is asked for that may have more, so that what comes is bounded. */
export const entriesOfRest = (limit: number, nodes: number): number =>
  Math.max(1, Math.min(limit, Math.floor(PAGES_ENTRIES_MAX / Math.max(1, nodes))));

/** Nodes that may have more jobs for a page of so many than they gave, and the place behind which those are. */
export function unfinished(
  pages: readonly NodePage[],
  limit: number,
): readonly { readonly node: string; readonly olderThan: string }[] {
  const places = pages.flatMap(({ jobs }) => jobs.map(placeOf)).sort();
  const least = places.at(-limit) ?? '';
  return pages.flatMap(({ node, jobs, hasMore }) => {
    const last = jobs.at(-1);
    if (!hasMore || last === undefined || placeOf(last) <= least) return [];
    return [{ node, olderThan: placeOf(last) }];
  });
}

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
  const last = jobs.at(-1);
  return { jobs, ...(hasMore && last !== undefined ? { older: placeOf(last) } : {}) };
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
  // Below the last one of a node that has more, there may be jobs of it that are not here: the page ends there.
  let floor = '';
  for (const { jobs, hasMore } of parts)
    if (hasMore && jobs.length > 0 && placeOf(jobs.at(-1)!) > floor) floor = placeOf(jobs.at(-1)!);
  const lists = [...parts.map((part) => part.jobs), away].map(inOrder);
  const jobs = merged(lists, limit, floor);
  const count = lists.reduce((sum, list) => sum + list.jobs.length, 0);
  const isWhole = jobs.length === count && floor === '';
  return { jobs, ...(isWhole || jobs.length === 0 ? {} : { older: placeOf(jobs.at(-1)!) }) };
}

/** One node's jobs, newest first, with their places. */
interface List {
  readonly jobs: readonly Body[];
  readonly places: readonly string[];
}

/** They come in order, but nothing rests on it. */
function inOrder(jobs: readonly Body[]): List {
  const places = jobs.map(placeOf);
  if (places.every((place, i) => i === 0 || places[i - 1]! >= place)) return { jobs, places };
  const sorted = [...jobs].sort((a, b) => (placeOf(a) < placeOf(b) ? 1 : -1));
  return { jobs: sorted, places: sorted.map(placeOf) };
}

/** The newest of all lists, as many as are wanted, down to a place. */
function merged(lists: readonly List[], limit: number, floor: string): Body[] {
  const at = lists.map(() => 0);
  const jobs: Body[] = [];
  while (jobs.length < limit) {
    let newest = -1;
    let place = floor;
    for (let i = 0; i < lists.length; i++) {
      const next = lists[i]!.places[at[i]!];
      if (next === undefined || next < place || (newest >= 0 && next === place)) continue;
      newest = i;
      place = next;
    }
    if (newest < 0) break;
    jobs.push(lists[newest]!.jobs[at[newest]!++]!);
  }
  return jobs;
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
const isOlder = (body: Body, place: string | undefined): boolean =>
  place === undefined || placeOf(body) < place;
