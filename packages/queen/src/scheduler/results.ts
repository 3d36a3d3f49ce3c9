/**
 * What goes back to clients at the end of a turn: results under the reader's credit, input credit, progress. Results
 * are asked for as they finish (by seq) or in task order (the Queen orders); both resume at a cursor.
 */
import { LIMITS, type Message } from '@hive/shared';
import { dropResults, forgetSpecs, listenersOf, tellEndTo } from './ending.ts';
import type { Job, Subscription } from './job.ts';
import type { ResultEntry } from './result-directory.ts';
import type { PeerSession, State } from './state.ts';

export function resultCredit(state: State, client: PeerSession, message: Message<'ResultCredit'>): void {
  const job = state.jobs.get(message.job);
  if (job === undefined) {
    const text = `There is no job ${message.job} here; its results may have been removed.`;
    state.sendAfterCommit(client.session, {
      type: 'Refused',
      job: message.job,
      code: 'unknownJob',
      message: text,
    });
    return;
  }
  if (message.received !== undefined) received(state, client, job, message.received, message.order);
  let subscription = job.subscriptions.get(client.session);
  if (message.order !== undefined || subscription === undefined) {
    subscription = open(state, client, job, message);
  }
  subscription.credit += message.bytes;
  state.dirtyJobs.add(job);
}

function open(state: State, client: PeerSession, job: Job, message: Message<'ResultCredit'>): Subscription {
  const subscription: Subscription = {
    session: client.session,
    ...placeOf(job, message),
    credit: 0,
    isAligned: false,
    // Opening it again is no reading.
    movedAt: job.subscriptions.get(client.session)?.movedAt ?? state.now,
    isDone: false,
  };
  job.subscriptions.set(client.session, subscription);
  client.jobs.add(job);
  // What is unread counts from the owner's cursor on.
  if (client.session === job.ownerSession) {
    job.unreadBytes = 0;
    for (const entry of job.results.values()) {
      const isUnread =
        subscription.order === 'seq' ? entry.seq > subscription.cursor : entry.first >= subscription.cursor;
      if (isUnread) job.unreadBytes += entry.cost;
    }
    state.ready.update(job);
  }
  // Whoever asks after the end hears of it: a client may open a job again that it has seen end.
  if (!job.isActive) tellEndTo(state, job, client.session);
  return subscription;
}

/** Where reading begins. Of a reduced job there is only what failed, as it was recorded; by index all of it comes again. */
function placeOf(
  { folds }: Job,
  { order = 'seq', after = 0 }: Message<'ResultCredit'>,
): Pick<Subscription, 'order' | 'cursor'> {
  if (folds === null) return { order, cursor: after };
  return { order: 'seq', cursor: order === 'seq' ? after : 0 };
}

/** The owner of an attached job will never ask for these again. */
function received(
  state: State,
  client: PeerSession,
  job: Job,
  upTo: number,
  newOrder: Subscription['order'] | undefined,
): void {
  if (!job.isAttached || client.session !== job.ownerSession) return;
  // Children of a graph that runs still need what their parents gave.
  if (job.graph !== null && job.isActive) return;
  const order = newOrder ?? job.subscriptions.get(client.session)?.order ?? 'seq';
  const seqs: number[] = [];
  for (const entry of job.results.values()) {
    // Nobody has read it, and a job that failed may go on from it.
    if (entry.reduced) continue;
    if (order === 'seq' ? entry.seq <= upTo : entry.first + entry.count <= upTo) seqs.push(entry.seq);
    else if (order === 'seq') break;
  }
  dropResults(state, job, seqs);
}

/** Tells the clients of every job that changed in this turn what there is to tell. True when that let a job go on. */
export function flushJobs(state: State): boolean {
  let mayGoOn = false;
  for (const job of state.dirtyJobs) {
    sendInputCredit(state, job);
    const wasHeldBack = job.isHeldBack;
    if (job.hasReaders) {
      for (const subscription of job.subscriptions.values()) sendResults(state, job, subscription);
    }
    if (wasHeldBack && !job.isHeldBack) {
      state.ready.update(job);
      mayGoOn = true;
    }
    if (!job.isActive) forgetSpecs(state, job);
  }
  state.dirtyJobs.clear();
  return mayGoOn;
}

function sendInputCredit(state: State, job: Job): void {
  const session = job.ownerSession;
  if (session === null || job.isSealed) return;
  const isWorthIt = job.creditDue >= LIMITS.inputBytesHeldMax / 16 || job.inputCredit <= 0;
  if (!job.isCountDue && !(isWorthIt && job.creditDue > 0)) return;
  job.inputCredit += job.creditDue;
  state.sendAfterCommit(session, {
    type: 'InputCredit',
    job: job.id,
    count: job.appended,
    bytes: job.creditDue,
  });
  job.creditDue = 0;
  job.isCountDue = false;
}

function sendResults(state: State, job: Job, subscription: Subscription): void {
  const peer = state.sessions.get(subscription.session);
  if (peer === undefined || subscription.isDone) return;
  while (subscription.credit > 0 && !peer.isClogged) {
    const next = nextPage(job, subscription);
    if (next === null) break;
    sendPage(state, job, subscription, next);
  }
  if (!job.isActive && !subscription.isDone && nextPage(job, subscription) === null)
    sendEnd(state, job, subscription);
}

/** The page that comes next; whole, so that the reader's account of its credit is ours. */
function nextPage(job: Job, subscription: Subscription): ResultEntry | null {
  if (job.folds !== null) return nextFailures(job, subscription);
  const { cursor } = subscription;
  if (subscription.order === 'seq') {
    for (let seq = cursor + 1; seq <= job.seq; seq++) {
      const entry = job.results.bySeq(seq);
      if (entry !== undefined) return entry;
    }
    return null;
  }
  let entry = subscription.isAligned ? job.results.startingAt(cursor) : job.results.holding(cursor);
  if (entry === undefined && !job.isActive) entry = firstAfter(job, cursor);
  return entry ?? null;
}

/** Of a reduced job: only tasks that did not succeed are in pages, which come as they were recorded. */
function nextFailures(job: Job, subscription: Subscription): ResultEntry | null {
  for (const entry of job.results.values()) {
    if (entry.seq > subscription.cursor && !entry.reduced && entry.seq !== job.valueSeq) return entry;
  }
  return null;
}

/** In an ended job tasks may be missing (cancelled); ordered reading goes on behind them. */
function firstAfter(job: Job, index: number): ResultEntry | undefined {
  let best: ResultEntry | undefined;
  for (const entry of job.results.values()) {
    if (entry.first >= index && (best === undefined || entry.first < best.first)) best = entry;
  }
  return best;
}

function sendPage(state: State, job: Job, subscription: Subscription, entry: ResultEntry): void {
  const { first, count } = entry;
  subscription.credit -= entry.cost;
  subscription.isAligned = true;
  subscription.movedAt = state.now;
  subscription.cursor = subscription.order === 'seq' ? entry.seq : first + count;
  if (subscription.session === job.ownerSession) job.unreadBytes = Math.max(0, job.unreadBytes - entry.cost);
  const isLast = !job.isActive && nextPage(job, subscription) === null;
  subscription.isDone = isLast;
  // The bytes are added by the runtime, from the store.
  state.sendAfterCommit(
    subscription.session,
    {
      type: 'Results',
      job: job.id,
      seq: entry.seq,
      first,
      count,
      sizes: 0,
      data: EMPTY,
      ...(isLast ? { last: true } : {}),
    },
    { job: job.id, seq: entry.seq },
  );
}

function sendEnd(state: State, job: Job, subscription: Subscription): void {
  subscription.isDone = true;
  state.sendAfterCommit(subscription.session, {
    type: 'Results',
    job: job.id,
    seq: job.seq,
    first: subscription.order === 'seq' ? 0 : subscription.cursor,
    count: 0,
    sizes: 0,
    data: EMPTY,
    last: true,
  });
}
const EMPTY = new Uint8Array(0);

/** At most four times a second, to whoever submitted or reads a job that a person may look at. */
export function sendProgress(state: State): void {
  for (const job of state.dirtyProgress) {
    if (job.isHidden || !job.isActive) continue;
    for (const session of listenersOf(job)) {
      state.sendAfterCommit(session, {
        type: 'Progress',
        job: job.id,
        state: job.state,
        counts: job.counts,
        sealed: job.isSealed,
      });
    }
  }
  state.dirtyProgress.clear();
}
