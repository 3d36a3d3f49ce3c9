/**
 * What is recorded (G2): one outcome per task, the right value; how often a task is tried and when (G4); and that nothing
 * is given out that must not run. The books are kept from the store's records and from TaskAssign alone.
 */
import type { Effects, SchedulerEvent, Send, State, StoreRecord } from '@hive/queen';
import { type Failure, type Message, type Millis, PageCutter } from '@hive/shared';
import type { Fail } from '../auditor.ts';
import { isFinishing, type JobPlan, resultOf } from '../plan.ts';
import { forget, forgetLife, isOpen, type JobBook, newBook } from './book.ts';
import { EndingAudit } from './endings.ts';
import { FoldAudit } from './folds.ts';
import { GraphAudit } from './graphs.ts';

/** What may be recorded of a job that has ended. */
const AFTER_THE_END: ReadonlySet<StoreRecord['type']> = new Set([
  'resultsDropped',
  'inputsDropped',
  'jobRemoved',
  'jobReopened',
  'jobSubmitted',
]);
type RecordOf<T extends StoreRecord['type']> = Extract<StoreRecord, { type: T }>;

export class RecordAudit {
  readonly #fail: Fail;
  readonly #planOf: (job: string) => JobPlan;
  readonly #books = new Map<string, JobBook>();
  readonly #graphs: GraphAudit;
  readonly #endings: EndingAudit;
  readonly #folds: FoldAudit;
  /** What the records of this step come of; null in recovery. */
  #isReplay = false;
  #event: SchedulerEvent | null = null;
  recorded = 0;

  constructor(fail: Fail, planOf: (job: string) => JobPlan) {
    this.#fail = fail;
    this.#planOf = planOf;
    this.#graphs = new GraphAudit(fail);
    this.#folds = new FoldAudit(fail);
    this.#endings = new EndingAudit(fail, (job) => this.#book(job));
  }

  bookOf(plan: JobPlan): JobBook {
    let book = this.#books.get(plan.id);
    if (book === undefined) {
      book = newBook(plan);
      this.#books.set(plan.id, book);
    }
    return book;
  }
  #book(job: string): JobBook {
    return this.bookOf(this.#planOf(job));
  }

  /** The books as the durable records alone have them (G6), against what clients were told (G1) and what was recovered. */
  recovered(durable: readonly StoreRecord[], state: State): void {
    this.recorded = 0;
    this.#event = null;
    this.#endings.recovered(state.now);
    for (const book of this.#books.values()) forget(book);
    this.#isReplay = true;
    for (const record of durable) this.#noted(record, 'at' in record ? record.at : 0);
    this.#isReplay = false;
    for (const book of this.#books.values()) {
      this.#checkAcknowledged(book);
      if (book.lives > 0) this.#checkRecovered(book, state);
    }
  }

  #checkAcknowledged({ plan, acknowledged, lives, appended, isSealed, state }: JobBook): void {
    if (acknowledged === null) return;
    const { count, isSealed: wasSealed, state: ended } = acknowledged;
    const isThere = lives > 0 && appended >= count && (isSealed || !wasSealed) && (ended ?? state) === state;
    if (!isThere) this.#fail(`G1: of ${plan.name} something was acknowledged that is not durable`);
  }
  #checkRecovered(book: JobBook, state: State): void {
    const { plan, appended, isSealed, outcomes, counts, state: ended } = book;
    const job = state.jobs.get(plan.id);
    if ((job === undefined) !== book.isRemoved) this.#fail(`G6: whether ${plan.name} is there was lost`);
    if (job === undefined) return;
    const isSame =
      job.appended === appended &&
      job.isSealed === isSealed &&
      job.recorded.size === outcomes.size &&
      job.succeeded === counts.succeeded &&
      job.failed === counts.failed &&
      job.isActive === (ended === null);
    if (!isSame) this.#fail(`G6: ${plan.name} was not recovered as it was committed`);
  }

  /** @param event null: what recovery itself has done */
  stepped(event: SchedulerEvent | null, { append, now }: Effects, at: Millis): void {
    this.#event = event;
    for (const record of append) this.#noted(record, at);
    for (const send of now) if (send.message.type === 'TaskAssign') this.#assigned(send, send.message, at);
  }
  /** A turn is over. */
  settled(state: State): void {
    this.#endings.settled(this.#books.values(), state);
    for (const book of this.#books.values())
      if (book.plan.graph !== undefined && isOpen(book)) this.#graphs.settled(book);
  }

  #noted(record: StoreRecord, now: Millis): void {
    // Drones that come and go, and what a restart recovers, are not about a job.
    if (!('job' in record) || record.type === 'jobRecovered') return;
    const book = this.#book(record.job);
    const { name } = book.plan;
    if (book.state !== null && !AFTER_THE_END.has(record.type))
      this.#fail(`${record.type} of ${name} after its end`);
    switch (record.type) {
      case 'jobSubmitted':
        this.#submitted(book, record);
        break;
      case 'inputsAppended':
        if (record.page.first !== book.appended) this.#fail(`inputs of ${name} with a gap or twice`);
        book.appended += record.page.count;
        if (now > 0) book.appends.set(record.page.first, { end: book.appended, at: now });
        break;
      case 'jobSealed':
        book.isSealed = true;
        break;
      case 'resultsRecorded':
        this.#resultsRecorded(book, record, now);
        break;
      case 'pagesFolded':
        this.#folds.folded(book, record);
        break;
      case 'attemptFailed':
        this.#attemptFailed(book, record, now);
        break;
      case 'jobEnded':
        this.#jobEnded(book, record);
        break;
      case 'jobReopened':
        this.#jobReopened(book, record);
        break;
      case 'jobRemoved':
        this.#endings.removed(book, this.#event, now);
        book.isRemoved = true;
        book.acknowledged = null;
        break;
      default:
    }
  }

  #submitted(book: JobBook, { spec, at }: RecordOf<'jobSubmitted'>): void {
    if (book.lives > 0 && !book.isRemoved) this.#fail(`G2: ${book.plan.name} was submitted twice`);
    forgetLife(book);
    book.lives++;
    book.submittedAt = at;
    if (spec.range === undefined) return;
    book.appended = spec.range.count;
    book.isSealed = true;
  }

  #resultsRecorded(book: JobBook, record: RecordOf<'resultsRecorded'>, now: Millis): void {
    const { page, failures, reduced, seq } = record;
    const { plan, outcomes, counts } = book;
    const byIndex = new Map(failures.map((failure) => [failure.index, failure]));
    if (reduced) this.#folds.reduced(book, record);
    const cutter = new PageCutter(page);
    for (let index = page.first; index < page.first + page.count; index++) {
      if (index >= book.appended) this.#fail(`${plan.name} has a result for ${index}, which has no input`);
      if (outcomes.has(index)) this.#fail(`G2: task ${index} of ${plan.name} was recorded twice`);
      const failure = byIndex.get(index);
      const outcome =
        failure === undefined ? 'succeeded' : failure.outcome === 'cancelled' ? 'cancelled' : 'failed';
      if (failure === undefined && !reduced) {
        this.#checkValue(book, index, cutter.cut(index, 1).data);
        if (page.count === 1 && isFinishing(plan, index)) book.finished ??= { index, seq };
        else if (plan.spec.reduce !== undefined) this.#fail(`task ${index} of ${plan.name} was not folded`);
      } else if (failure !== undefined) this.#checkFailure(book, failure, now);
      outcomes.set(index, outcome);
      counts[outcome]++;
      book.failed.delete(index);
      this.recorded++;
    }
  }

  #checkValue(book: JobBook, index: number, value: Uint8Array): void {
    const { plan } = book;
    if (plan.graph !== undefined) this.#graphs.succeeded(book, index, value);
    else if (Buffer.compare(resultOf(plan, index), value) !== 0) {
      const text = Buffer.from(value).toString('hex');
      this.#fail(`G2: task ${index} of ${plan.name} has the wrong result: ${text}`);
    }
  }

  /** A failure that is final has used up its attempts, or says why another one is pointless. */
  #checkFailure(book: JobBook, failure: Failure, now: Millis): void {
    const { plan, failed, cancelAsked } = book;
    const { index, outcome, code } = failure;
    const says = `task ${index} of ${plan.name} ended as ${outcome}`;
    if (outcome === 'cancelled') {
      if (!cancelAsked.has(index)) this.#fail(`${says}, but nobody asked for that`);
      return;
    }
    if (code === 'parentFailed') {
      this.#graphs.parentFailed(book, index);
      return;
    }
    if (code === 'queueTimeout') {
      // When its inputs came is known of the job's last life only, and this was looked at when it happened.
      if (!this.#isReplay) this.#endings.queueTimedOut(book, failure, now);
      return;
    }
    if (failure.retryable === false) return;
    const { retries = 2, crashLimit = 3 } = plan.spec;
    const before = failed.get(index) ?? { failures: 0, crashes: 0 };
    const isRight = outcome === 'crashed' ? before.crashes === crashLimit - 1 : before.failures === retries;
    if (!isRight)
      this.#fail(`G4: ${says} after ${before.failures} other failures and ${before.crashes} crashes`);
  }

  #attemptFailed(book: JobBook, { failure, retryAt: at }: RecordOf<'attemptFailed'>, now: Millis): void {
    const { plan, failed, outcomes } = book;
    const { index, outcome } = failure;
    if (outcomes.has(index)) this.#fail(`G2: an attempt of task ${index} of ${plan.name} after its outcome`);
    const known = failed.get(index) ?? { failures: 0, crashes: 0, retryAt: 0 };
    if (outcome === 'crashed') known.crashes++;
    else known.failures++;
    const { retries = 2, crashLimit = 3, backoffMillis = 1_000, backoffMillisMax = 60_000 } = plan.spec;
    if (known.failures > retries || known.crashes >= crashLimit)
      this.#fail(`G4: task ${index} of ${plan.name} is tried again after its last attempt`);
    const full = Math.min(backoffMillisMax, backoffMillis * 2 ** (known.failures + known.crashes - 1));
    if (at < now + full / 2 || at > now + full + 1)
      this.#fail(`G4: task ${index} of ${plan.name} waits ${at - now} ms, not ${full / 2} to ${full}`);
    known.retryAt = at;
    failed.set(index, known);
  }

  #assigned(send: Send, message: Message<'TaskAssign'>, now: Millis): void {
    const { job, ranges, fold } = message;
    const book = this.#book(job);
    const { name } = book.plan;
    if (book.state !== null) this.#fail(`a lease of ${name} was given out after its end`);
    this.#endings.assigned(book);
    if (fold !== undefined) {
      this.#folds.assigned(book, send, message);
      return;
    }
    for (let i = 0; i < ranges.length; i += 2) {
      const [first, count] = [ranges[i]!, ranges[i + 1]!];
      if (count === 0) this.#fail(`a lease of ${name} with an empty range`);
      for (let index = first; index < first + count; index++) {
        if (index >= book.appended) this.#fail(`task ${index} of ${name} was given out and does not exist`);
        if (book.outcomes.has(index)) this.#fail(`task ${index} of ${name} was given out after its outcome`);
        const retryAt = book.failed.get(index)?.retryAt ?? 0;
        if (now < retryAt)
          this.#fail(`G4: task ${index} of ${name} is retried ${retryAt - now} ms too early`);
        if (book.plan.graph !== undefined) this.#graphs.assigned(book, index);
      }
    }
  }

  #jobEnded(book: JobBook, { state, at, value, message }: RecordOf<'jobEnded'>): void {
    const { plan, outcomes, counts, appended } = book;
    const isFinished = value !== undefined && book.finished?.seq === value;
    const unrun = state === 'cancelled' || isFinished ? appended - outcomes.size : 0;
    book.ends.push({ state, counts: { ...counts, appended, cancelled: counts.cancelled + unrun } });
    book.state = state;
    book.endedAt = at;
    if (state === 'cancelled') {
      this.#endings.cancelled(book);
      return;
    }
    if (state === 'succeeded') this.#folds.succeeded(book, value);
    if (isFinished) return;
    if (state === 'failed' && this.#endings.mayFailEarly(book, at)) return;
    if (state === 'failed' && this.#endings.mayFailFolding(book, message ?? '')) return;
    if (!book.isSealed || outcomes.size !== appended)
      this.#fail(`${plan.name} ended as ${state} with ${outcomes.size} of ${appended} outcomes`);
    if ((state === 'succeeded') !== (counts.failed === 0))
      this.#fail(`${plan.name} ended as ${state} with ${counts.failed} failures`);
  }

  /** Another round: exactly what has failed has no outcome any more, and may be tried as often as before. */
  #jobReopened(book: JobBook, { failed, at }: RecordOf<'jobReopened'>): void {
    const { plan, outcomes, counts, acknowledged } = book;
    if (book.state === null || !book.isSealed) this.#fail(`${plan.name} was reopened before its end`);
    for (const [first, end] of failed) {
      for (let index = first; index < end; index++) {
        if (outcomes.get(index) !== 'failed')
          this.#fail(`G2: task ${index} of ${plan.name} runs again and has not failed`);
        outcomes.delete(index);
        counts.failed--;
      }
    }
    if (counts.failed !== 0) this.#fail(`${counts.failed} failed tasks of ${plan.name} do not run again`);
    book.failed.clear();
    book.state = null;
    book.reopenedAt = at;
    if (acknowledged !== null) acknowledged.state = null;
  }

  // What clients are told

  accepted(plan: JobPlan, count: number, sealed: boolean): void {
    const book = this.bookOf(plan);
    // What was said in an earlier life may be heard in a later one.
    if (book.isRemoved || book.lives > 1) return;
    if (count > book.appended) this.#fail(`${plan.name} was accepted with inputs that were never appended`);
    if (sealed && !book.isSealed) this.#fail(`${plan.name} was accepted as sealed and is not`);
    book.acknowledged = { count, isSealed: sealed, state: book.acknowledged?.state ?? null };
  }
  jobDone(plan: JobPlan, message: Message<'JobDone'>): void {
    const { state, counts } = message;
    if (this.bookOf(plan).lives === 1) this.#folds.told(this.bookOf(plan), message);
    const { ends, lives, acknowledged, state: now } = this.bookOf(plan);
    const isRight = ends.some(
      (end) =>
        end.state === state &&
        (['appended', 'succeeded', 'failed', 'cancelled'] as const).every(
          (count) => end.counts[count] === counts[count],
        ),
    );
    if (acknowledged !== null && now === state) acknowledged.state = state;
    if (!isRight && lives === 1)
      this.#fail(`JobDone of ${plan.name} says ${JSON.stringify({ state, counts })}`);
  }
  /** A fold has failed on its Drone. */
  foldFailed(plan: JobPlan): void {
    this.bookOf(plan).foldFailures++;
  }
  inputGiven(plan: JobPlan, who: string, index: number, input: Uint8Array): void {
    this.#graphs.given(this.bookOf(plan), who, index, input);
  }
  cancelAsked(job: string, indices: readonly number[] | null): void {
    const book = this.#book(job);
    if (indices === null) book.isCancelAsked = true;
    else for (const index of indices) book.cancelAsked.add(index);
  }
  clientKilled(plan: JobPlan): void {
    this.bookOf(plan).isClientKilled = true;
  }

  gaveUp(plan: JobPlan): void {
    this.bookOf(plan).isGivenUp = true;
  }

  // What those want to know who draw what happens next

  /** It was never submitted and never will be, or is not there any more. */
  willNeverBe(plan: JobPlan): boolean {
    const { lives, isRemoved, isGivenUp, isClientKilled } = this.bookOf(plan);
    return isRemoved || (lives === 0 && (isGivenUp || isClientKilled));
  }
  /** One of the jobs that it comes after was not there, or is not there now. */
  comesAfterUnknown({ spec }: JobPlan): boolean {
    return (spec.after ?? []).length > 0;
  }
  mayBeRetried(plan: JobPlan): boolean {
    const { state, isRemoved } = this.bookOf(plan);
    return !isRemoved && (state === 'failed' || state === 'cancelled');
  }

  /** G7: every job that was ever submitted has ended. */
  finish(now: Millis): void {
    const open = this.openJob;
    if (open !== null) this.#fail(`G7: ${open} has not ended`);
    this.#endings.finish(this.#books.values(), now);
  }
  /** The name of a job that was submitted and has not ended. */
  get openJob(): string | null {
    for (const book of this.#books.values()) if (isOpen(book)) return book.plan.name;
    return null;
  }
}
