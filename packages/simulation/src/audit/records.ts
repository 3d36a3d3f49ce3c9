/**
 * What is recorded (G2): one outcome per task, the right value; how often a task is tried and when (G4); and that nothing
 * is given out that must not run. The books are kept from the store's records and from TaskAssign alone.
 */
import type { Effects, State, StoreRecord } from '@hive/queen';
import { type Failure, type Message, type Millis, PageCutter } from '@hive/shared';
import type { Fail } from '../auditor.ts';
import { type JobPlan, resultOf } from '../plan.ts';

export type Recorded = 'succeeded' | 'failed' | 'cancelled';
export interface JobBook {
  readonly plan: JobPlan;
  isSubmitted: boolean;
  appended: number;
  isSealed: boolean;
  state: string | null;
  readonly outcomes: Map<number, Recorded>;
  readonly counts: Record<Recorded, number>;
  /** What is known of tasks that failed and may be tried again. */
  readonly failed: Map<number, { failures: number; crashes: number; retryAt: Millis }>;
  isCancelAsked: boolean;
  readonly cancelAsked: Set<number>;
  isClientKilled: boolean;
  /** What its client was told to be durable: this many inputs, and how it ended; null before Accepted. */
  acknowledged: { count: number; isSealed: boolean; state: string | null } | null;
}
type RecordOf<T extends StoreRecord['type']> = Extract<StoreRecord, { type: T }>;

export class RecordAudit {
  readonly #fail: Fail;
  readonly #planOf: (job: string) => JobPlan;
  readonly #books = new Map<string, JobBook>();
  recorded = 0;

  constructor(fail: Fail, planOf: (job: string) => JobPlan) {
    this.#fail = fail;
    this.#planOf = planOf;
  }

  bookOf(plan: JobPlan): JobBook {
    let book = this.#books.get(plan.id);
    if (book === undefined) {
      book = {
        plan,
        isSubmitted: false,
        appended: 0,
        isSealed: false,
        state: null,
        outcomes: new Map(),
        counts: { succeeded: 0, failed: 0, cancelled: 0 },
        failed: new Map(),
        isCancelAsked: false,
        cancelAsked: new Set(),
        isClientKilled: false,
        acknowledged: null,
      };
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
    for (const book of this.#books.values()) forget(book);
    for (const record of durable) this.#noted(record, 'at' in record ? record.at : 0);
    for (const book of this.#books.values()) {
      this.#checkAcknowledged(book);
      if (book.isSubmitted) this.#checkRecovered(book, state);
    }
  }

  #checkAcknowledged({ plan, acknowledged, isSubmitted, appended, isSealed, state }: JobBook): void {
    if (acknowledged === null) return;
    const { count, isSealed: wasSealed, state: ended } = acknowledged;
    const isThere =
      isSubmitted && appended >= count && (isSealed || !wasSealed) && (ended ?? state) === state;
    if (!isThere) this.#fail(`G1: of ${plan.name} something was acknowledged that is not durable`);
  }
  #checkRecovered({ plan, appended, isSealed, outcomes, counts, state: ended }: JobBook, state: State): void {
    const job = state.jobs.get(plan.id);
    if (job === undefined) {
      if (ended === null) this.#fail(`G6: ${plan.name} was not recovered`);
      return;
    }
    const isSame =
      job.appended === appended &&
      job.isSealed === isSealed &&
      job.recorded.size === outcomes.size &&
      job.succeeded === counts.succeeded &&
      job.failed === counts.failed &&
      job.isActive === (ended === null);
    if (!isSame) this.#fail(`G6: ${plan.name} was not recovered as it was committed`);
  }

  stepped({ append, now }: Effects, at: Millis): void {
    for (const record of append) this.#noted(record, at);
    for (const { message } of now) if (message.type === 'TaskAssign') this.#assigned(message, at);
  }

  #noted(record: StoreRecord, now: Millis): void {
    // Drones that come and go, and what a restart recovers, are not about a job.
    if (!('job' in record) || record.type === 'jobRecovered') return;
    const book = this.#book(record.job);
    const { name } = book.plan;
    if (book.state !== null && record.type !== 'resultsDropped' && record.type !== 'jobRemoved') {
      if (record.type === 'jobSubmitted') this.#fail(`G2: ${name} was submitted again after its end`);
      if (record.type !== 'inputsDropped') this.#fail(`${record.type} of ${name} after its end`);
    }
    switch (record.type) {
      case 'jobSubmitted':
        book.isSubmitted = true;
        if (record.spec.range !== undefined) {
          book.appended = record.spec.range.count;
          book.isSealed = true;
        }
        break;
      case 'inputsAppended':
        if (record.page.first !== book.appended) this.#fail(`inputs of ${name} with a gap or twice`);
        book.appended += record.page.count;
        break;
      case 'jobSealed':
        book.isSealed = true;
        break;
      case 'resultsRecorded':
        this.#resultsRecorded(book, record);
        break;
      case 'attemptFailed':
        this.#attemptFailed(book, record, now);
        break;
      case 'jobEnded':
        this.#jobEnded(book, record);
        break;
      default:
    }
  }

  #resultsRecorded(book: JobBook, { page, failures }: RecordOf<'resultsRecorded'>): void {
    const { plan, outcomes, counts } = book;
    const byIndex = new Map(failures.map((failure) => [failure.index, failure]));
    const cutter = new PageCutter(page);
    for (let index = page.first; index < page.first + page.count; index++) {
      if (index >= book.appended) this.#fail(`${plan.name} has a result for ${index}, which has no input`);
      if (outcomes.has(index)) this.#fail(`G2: task ${index} of ${plan.name} was recorded twice`);
      const failure = byIndex.get(index);
      const outcome =
        failure === undefined ? 'succeeded' : failure.outcome === 'cancelled' ? 'cancelled' : 'failed';
      if (failure === undefined) this.#checkValue(plan, index, cutter.cut(index, 1).data);
      else this.#checkFailure(book, failure);
      outcomes.set(index, outcome);
      counts[outcome]++;
      book.failed.delete(index);
      this.recorded++;
    }
  }

  #checkValue(plan: JobPlan, index: number, value: Uint8Array): void {
    if (Buffer.compare(resultOf(plan, index), value) !== 0) {
      this.#fail(
        `G2: task ${index} of ${plan.name} has the wrong result: ${Buffer.from(value).toString('hex')}`,
      );
    }
  }

  /** A failure that is final has used up its attempts, or says that another one is pointless. */
  #checkFailure({ plan, failed, cancelAsked }: JobBook, failure: Failure): void {
    const { index, outcome } = failure;
    const says = `task ${index} of ${plan.name} ended as ${outcome}`;
    if (outcome === 'cancelled') {
      if (!cancelAsked.has(index)) this.#fail(`${says}, but nobody asked for that`);
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

  #assigned({ job, ranges }: Message<'TaskAssign'>, now: Millis): void {
    const book = this.#book(job);
    const { name } = book.plan;
    if (book.state !== null) this.#fail(`a lease of ${name} was given out after its end`);
    for (let i = 0; i < ranges.length; i += 2) {
      const [first, count] = [ranges[i]!, ranges[i + 1]!];
      if (count === 0) this.#fail(`a lease of ${name} with an empty range`);
      for (let index = first; index < first + count; index++) {
        if (index >= book.appended) this.#fail(`task ${index} of ${name} was given out and does not exist`);
        if (book.outcomes.has(index)) this.#fail(`task ${index} of ${name} was given out after its outcome`);
        const retryAt = book.failed.get(index)?.retryAt ?? 0;
        if (now < retryAt)
          this.#fail(`G4: task ${index} of ${name} is retried ${retryAt - now} ms too early`);
      }
    }
  }

  #jobEnded(book: JobBook, { state }: RecordOf<'jobEnded'>): void {
    const { plan, outcomes, counts, appended } = book;
    book.state = state;
    if (state === 'cancelled') {
      if (!book.isCancelAsked && !book.isClientKilled) this.#fail(`${plan.name} was cancelled by nobody`);
      return;
    }
    if (!book.isSealed || outcomes.size !== appended)
      this.#fail(`${plan.name} ended as ${state} with ${outcomes.size} of ${appended} outcomes`);
    if ((state === 'succeeded') !== (counts.failed === 0))
      this.#fail(`${plan.name} ended as ${state} with ${counts.failed} failures`);
  }

  // What clients are told

  accepted(plan: JobPlan, count: number, sealed: boolean): void {
    const book = this.bookOf(plan);
    if (count > book.appended) this.#fail(`${plan.name} was accepted with inputs that were never appended`);
    if (sealed && !book.isSealed) this.#fail(`${plan.name} was accepted as sealed and is not`);
    book.acknowledged = { count, isSealed: sealed, state: book.acknowledged?.state ?? null };
  }
  jobDone(plan: JobPlan, { state, counts }: Message<'JobDone'>): void {
    const book = this.bookOf(plan);
    const { succeeded, failed, cancelled } = book.counts;
    const unrun = state === 'cancelled' ? book.appended - book.outcomes.size : 0;
    const isRight =
      state === book.state &&
      counts.appended === book.appended &&
      counts.succeeded === succeeded &&
      counts.failed === failed &&
      counts.cancelled === cancelled + unrun;
    if (book.acknowledged !== null) book.acknowledged.state = state;
    if (!isRight) this.#fail(`JobDone of ${plan.name} says ${JSON.stringify({ state, counts })}`);
  }
  cancelAsked(job: string, indices: readonly number[] | null): void {
    const book = this.#book(job);
    if (indices === null) book.isCancelAsked = true;
    else for (const index of indices) book.cancelAsked.add(index);
  }
  clientKilled(plan: JobPlan): void {
    this.bookOf(plan).isClientKilled = true;
  }

  /** G7: every job that was ever submitted has ended. */
  finish(): void {
    const open = this.openJob;
    if (open !== null) this.#fail(`G7: ${open} has not ended`);
  }
  /** The name of a job that was submitted and has not ended. */
  get openJob(): string | null {
    for (const { plan, isSubmitted, state } of this.#books.values()) {
      if (isSubmitted && state === null) return plan.name;
    }
    return null;
  }
}

/** Takes out of a book what a store's records say. */
function forget(book: JobBook): void {
  book.isSubmitted = false;
  book.appended = 0;
  book.isSealed = false;
  book.state = null;
  book.outcomes.clear();
  book.failed.clear();
  for (const outcome of ['succeeded', 'failed', 'cancelled'] as const) book.counts[outcome] = 0;
}
