/**
 * Tells the nodes that watch of jobs as soon as they are accepted, so that they know of them should this node be lost a
 * moment later. What is told has been committed. A few jobs are told of within 20 ms; a flood must not pay for it, so the
 * more there are in one message, the longer the next one waits, and only the newest are told of: at most some 160 jobs a
 * second to each node. The others come with the overviews.
 */
import { LIMITS } from '@hive/shared';
import type { Deadline } from './deadlines.ts';
import type { Job } from './job.ts';
import { summaryOf } from './job-summary.ts';
import type { PeerSession, State } from './state.ts';

export class News {
  /** Nodes that watch. */
  readonly watchers = new Set<PeerSession>();
  readonly deadline: Deadline;
  /** Accepted since the last time, the newest last. */
  #jobs: Job[] = [];
  /** When there may be news again. */
  notBefore = 0;

  constructor(deadline: Deadline) {
    this.deadline = deadline;
  }

  get isEmpty(): boolean {
    return this.#jobs.length === 0;
  }
  add(job: Job): void {
    if (this.watchers.size === 0 || job.isHidden) return;
    this.#jobs.push(job);
    if (this.#jobs.length > LIMITS.newsJobsMax) this.#jobs.shift();
  }
  take(): readonly Job[] {
    const jobs = this.#jobs;
    this.#jobs = [];
    return jobs;
  }
}

/** At the end of a turn: when the nodes are to hear of the new jobs. */
export function planNews({ news, deadlines, now }: State): void {
  if (news.isEmpty || news.deadline.heapPosition >= 0) return;
  deadlines.set(news.deadline, Math.max(now + LIMITS.newsMillis, news.notBefore));
}

/** Called at its deadline. */
export function tellNews(state: State): void {
  const { news, now } = state;
  const told = news.take().filter((job) => state.jobs.get(job.id) === job);
  news.notBefore = now + LIMITS.newsMillis + told.length * LIMITS.newsMillisPerJob;
  if (told.length === 0) return;
  const body = { jobs: told.reverse().map((job) => summaryOf(state, job)) };
  for (const { session, isClogged } of news.watchers)
    if (!isClogged) state.sendAfterCommit(session, { type: 'Overview', body });
}
