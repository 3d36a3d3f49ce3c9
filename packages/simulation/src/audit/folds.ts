/**
 * What is folded (G2): every reduced page has the value of exactly its tasks, whatever was folded where and how often; what a fold
 * takes the place of is adjacent and there; a job that has succeeded has the value of all of them, or of the task that has ended
 * it. The truth is a loop over all tasks, without the operators.
 */
import type { Send, StoreRecord } from '@hive/queen';
import { decodeMsgpack, encodeMsgpack, type Message } from '@hive/shared';
import type { Fail } from '../auditor.ts';
import { isFinishing, type JobPlan, resultOf } from '../plan.ts';
import type { JobBook } from './book.ts';

type RecordOf<T extends StoreRecord['type']> = Extract<StoreRecord, { type: T }>;

export class FoldAudit {
  readonly #fail: Fail;

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  /** A slot has folded what its tasks gave. */
  reduced(book: JobBook, { seq, page, failures }: RecordOf<'resultsRecorded'>): void {
    const { first, count, sizes, data } = page;
    if (book.plan.spec.reduce === undefined) this.#fail(`${book.plan.name} was folded and is no reduced job`);
    if (failures.length > 0 || sizes !== data.length)
      this.#fail(`a reduced page of ${book.plan.name} is not one value`);
    this.#checkValue(book.plan, first, count, data);
    book.pages.set(seq, [first, first + count]);
  }

  folded(book: JobBook, { seq, seqs, page }: RecordOf<'pagesFolded'>): void {
    const { plan, pages } = book;
    let at = page.first;
    for (const old of seqs) {
      const part = pages.get(old);
      if (part === undefined || part[0] !== at) this.#fail(`${plan.name} was folded across a gap at ${at}`);
      at = part[1];
      pages.delete(old);
    }
    if (seqs.length < 2 || at !== page.first + page.count)
      this.#fail(`a fold of ${plan.name} is not what it says`);
    this.#checkValue(plan, page.first, page.count, page.data);
    pages.set(seq, [page.first, at]);
  }

  /** A fold is given to a Drone: all of its pages are there. */
  assigned({ plan, pages }: JobBook, { fold }: Send, { fold: tasks }: Message<'TaskAssign'>): void {
    let count = 0;
    for (const seq of fold!.seqs) {
      const [first, end] =
        pages.get(seq) ?? this.#fail(`page ${seq} of ${plan.name} is folded and is not there`);
      count += end - first;
    }
    if (count !== tasks) this.#fail(`a fold of ${plan.name} says ${tasks} tasks and has ${count}`);
  }

  /** A job has succeeded: `value` is the page that has its value. */
  succeeded(book: JobBook, value: number | undefined): void {
    const { plan, pages, appended, finished, outcomes } = book;
    if (value === undefined) {
      if (plan.spec.reduce !== undefined && appended > 0)
        this.#fail(`${plan.name} has succeeded without a value`);
      return;
    }
    if (finished !== null) {
      if (finished.seq !== value || outcomes.get(finished.index) !== 'succeeded')
        this.#fail(`${plan.name} was ended by a task that is not recorded`);
      return;
    }
    const [first, end] = pages.get(value) ?? this.#fail(`the value of ${plan.name} is not there`);
    if (first !== 0 || end !== appended)
      this.#fail(`the value of ${plan.name} is that of ${first} to ${end}`);
  }

  /** What a client is told to be the value of its job. */
  told({ plan, appended, values }: JobBook, { state, value, finish }: Message<'JobDone'>): void {
    const isDue = state === 'succeeded' && plan.spec.reduce !== undefined && appended > 0;
    if (value === undefined) {
      if (isDue) this.#fail(`a client was not told the value of ${plan.name}`);
      return;
    }
    if (!finish) {
      this.#checkValue(plan, 0, appended, value);
      return;
    }
    for (let index = 0; index < appended; index++)
      if (isFinishing(plan, index) && isEqual(plan.graph ? values.get(index) : resultOf(plan, index), value))
        return;
    this.#fail(`a client was told a value of ${plan.name} that no task has ended it with`);
  }

  #checkValue(plan: JobPlan, first: number, count: number, data: Uint8Array): void {
    const truth = truthOf(plan, first, count);
    if (Buffer.compare(truth, data) === 0) return;
    this.#fail(
      `G2: tasks ${first} to ${first + count - 1} of ${plan.name} were folded to ${JSON.stringify(decodeMsgpack(data))}`,
    );
  }
}

const isEqual = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && Buffer.compare(a, b) === 0;

function truthOf(plan: JobPlan, first: number, count: number): Uint8Array {
  let sum = 0n;
  let text = '';
  for (let index = first; index < first + count; index++) {
    const value = decodeMsgpack(resultOf(plan, index));
    if (typeof value === 'number') sum += BigInt(value);
    else text += value as string;
  }
  if (plan.spec.reduce?.op !== 'sum') return encodeMsgpack(text);
  return encodeMsgpack(sum <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(sum) : String(sum));
}
