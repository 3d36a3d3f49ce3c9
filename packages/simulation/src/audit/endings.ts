/**
 * Why jobs start and end: `after` others, halted after failures, at their deadline, their tasks after too long in the
 * queue, and removed when their time is over. Every end has one of its reasons, and every reason brings its end.
 */
import type { SchedulerEvent, State } from '@hive/queen';
import { type Failure, LIMITS, type Millis } from '@hive/shared';
import type { Fail } from '../auditor.ts';
import { isOpen, type JobBook, startOf } from './book.ts';

type BookOf = (job: string) => JobBook;

/** What is due happens within this time, if the Queen runs. */
const LATE_MILLIS = 100;
/** What began to wait at about the same time ends together: a queue time limit may be passed by this part of it. */
const QUEUE_PART = 1 / 32;

export class EndingAudit {
  readonly #fail: Fail;
  readonly #bookOf: BookOf;
  /** When the Queen was started last. */
  #recoveredAt: Millis = 0;
  /** Jobs that had to wait when they were last looked at, and when each was last found to have waited. */
  readonly #held = new Set<JobBook>();
  readonly #heldAt = new Map<JobBook, Millis>();

  constructor(fail: Fail, bookOf: BookOf) {
    this.#fail = fail;
    this.#bookOf = bookOf;
  }

  recovered(now: Millis): void {
    this.#recoveredAt = now;
  }

  /** A task is given out: what its job comes after has ended. */
  assigned({ plan }: JobBook): void {
    for (const { job, on } of plan.spec.after ?? []) {
      const other = this.#bookOf(job);
      const isRight = other.ends.some(({ state }) => on === 'end' || state === 'succeeded');
      if (!isRight) this.#fail(`${plan.name} was started before ${other.plan.name} had ended with ${on}`);
    }
  }

  /** A job has ended as cancelled. */
  cancelled(book: JobBook): void {
    if (book.isCancelAsked || book.isClientKilled || this.#cannotStart(book)) return;
    this.#fail(`${book.plan.name} was cancelled by nobody`);
  }
  /** Why a job may end as failed before all its tasks have outcomes. */
  mayFailEarly(book: JobBook, now: Millis): boolean {
    const { deadlineMillis } = book.plan.spec;
    return isHalted(book) || (deadlineMillis !== undefined && now >= startOf(book) + deadlineMillis);
  }

  /** Why a reduced job may fail although none of its tasks has. */
  mayFailFolding({ plan, counts, foldFailures, outcomes, appended }: JobBook, message: string): boolean {
    const { retries = 2, crashLimit = 3, reduce } = plan.spec;
    if (reduce === undefined) return false;
    if (message.startsWith('tasks of it were cancelled'))
      return counts.cancelled > 0 && outcomes.size === appended;
    // Processes that are lost while they fold are not counted here.
    if (/^folding tasks \d+ to \d+ crashed/.test(message)) return true;
    return message.startsWith('folding tasks') && foldFailures >= Math.min(retries + 1, crashLimit);
  }

  /** A task has waited in the queue for too long. */
  queueTimedOut({ plan, appends, submittedAt }: JobBook, { index }: Failure, now: Millis): void {
    const limit = plan.spec.queueTimeoutMillis;
    let since = submittedAt;
    for (const [first, { end, at }] of appends) if (index >= first && index < end) since = at;
    if (limit === undefined || now - since < limit)
      this.#fail(`task ${index} of ${plan.name} timed out after ${now - since} ms in the queue`);
  }

  /** After a turn: every reason to end has brought its end. */
  settled(books: Iterable<JobBook>, { now, jobs, missingDrones }: State): void {
    for (const book of books) {
      if (!isOpen(book)) continue;
      const { name, spec } = book.plan;
      if (isHalted(book)) this.#fail(`${name} goes on with ${book.counts.failed} failures`);
      if (this.#cannotStart(book)) this.#fail(`${name} waits for a job that has not succeeded`);
      const due = Math.max(startOf(book) + (spec.deadlineMillis ?? 1e12), this.#recoveredAt);
      if (now > due + LATE_MILLIS) this.#fail(`${name} goes on after its deadline`);
      if (spec.queueTimeoutMillis === undefined) continue;
      const job = jobs.get(book.plan.id);
      // Nothing ends while Drones of before a restart are awaited; the children of a graph wait for their parents.
      const isHeld = job?.isWaitingForOthers === true || missingDrones.size > 0;
      if (isHeld || this.#held.has(book)) this.#heldAt.set(book, now);
      if (isHeld) this.#held.add(book);
      else this.#held.delete(book);
      if (job !== undefined && !isHeld && spec.graph === undefined)
        this.#checkQueue(book, job.nextFresh, now);
    }
  }
  #checkQueue(book: JobBook, nextFresh: number, now: Millis): void {
    if (nextFresh >= book.appended || book.outcomes.has(nextFresh)) return;
    let since = Math.max(this.#recoveredAt, startOf(book), this.#heldAt.get(book) ?? 0);
    for (const [first, { end, at }] of book.appends)
      if (nextFresh >= first && nextFresh < end) since = Math.max(since, at);
    const limit = book.plan.spec.queueTimeoutMillis!;
    if (now - since > limit * (1 + QUEUE_PART) + LATE_MILLIS)
      this.#fail(`task ${nextFresh} of ${book.plan.name} still waits after ${now - since} ms in the queue`);
  }

  /** A job is removed: it has ended, and its time is over or somebody said so. */
  removed({ plan, state, endedAt }: JobBook, event: SchedulerEvent | null, now: Millis): void {
    const { name, spec } = plan;
    if (state === null) this.#fail(`${name} was removed and has not ended`);
    if (event === null || isCollecting(event, plan.id)) return;
    const isPrivate = (spec.hidden === true || spec.parent !== undefined) && spec.attached !== false;
    if (!isPrivate && now < endedAt + (spec.retentionMillis ?? LIMITS.retentionMillis))
      this.#fail(`${name} was removed ${now - endedAt} ms after its end`);
  }

  /** At rest nothing is kept longer than it shall be, unless somebody reads it or waits for it. */
  finish(books: Iterable<JobBook>, now: Millis): void {
    for (const { plan, lives, state, isRemoved, endedAt } of books) {
      if (lives === 0 || isRemoved || state === null) continue;
      const { retentionMillis = LIMITS.retentionMillis } = plan.spec;
      if (now > Math.max(endedAt + retentionMillis, this.#recoveredAt) + 5_000)
        this.#fail(`G7: ${plan.name} is still there ${now - endedAt} ms after its end`);
    }
  }

  /** One of those that it comes after has ended otherwise than was asked. */
  #cannotStart({ plan }: JobBook): boolean {
    return (plan.spec.after ?? []).some(({ job, on }) => {
      const { state } = this.#bookOf(job);
      return on === 'success' && state !== null && state !== 'succeeded';
    });
  }
}

function isHalted({ plan, counts, isSealed, appended }: JobBook): boolean {
  const { failures, share } = plan.spec.haltOn ?? {};
  if (counts.failed === 0) return false;
  if (failures !== undefined && counts.failed >= failures) return true;
  return share !== undefined && isSealed && counts.failed >= share * appended;
}

function isCollecting(event: SchedulerEvent, job: string): boolean {
  if (event.type !== 'messageReceived' || event.message.type !== 'Manage') return false;
  const { action, job: only } = event.message;
  return action === 'gc' && (only === undefined || only === job);
}
