/** What readers get (G2): every recorded task once, in the order that was asked for, with the right value, and an end. */
import { type Message, PageCutter } from '@hive/shared';
import type { Fail } from '../auditor.ts';
import { type JobPlan, resultOf } from '../plan.ts';
import type { JobBook } from './book.ts';
import type { RecordAudit } from './records.ts';

interface Reader {
  /** The job's life in which it began to read; what it read of another proves nothing. */
  readonly life: number;
  readonly seen: Set<number>;
  /** The last seq, or the next index. */
  cursor: number;
  hasEnd: boolean;
}

export class ReaderAudit {
  readonly #fail: Fail;
  readonly #records: RecordAudit;
  readonly #readers = new WeakMap<object, Reader>();

  constructor(fail: Fail, records: RecordAudit) {
    this.#fail = fail;
    this.#records = records;
  }

  read(key: object, plan: JobPlan, order: 'seq' | 'index', message: Message<'Results'>): void {
    const book = this.#records.bookOf(plan);
    if (book.isRemoved) return;
    const reader = this.#readerOf(key, book);
    if (message.last) reader.hasEnd = true;
    if (reader.life !== book.lives) return;
    if (message.count === 0) {
      if (!message.last) this.#fail(`an empty page of ${plan.name} that is not the last`);
      return;
    }
    if (order === 'index' && plan.spec.reduce === undefined) this.#checkOrder(reader, book, message);
    else if (message.seq <= reader.cursor) this.#fail(`page ${message.seq} of ${plan.name} came again`);
    reader.cursor = order === 'index' ? message.first + message.count : message.seq;
    this.#checkPage(reader, book, message);
  }

  /** In task order nothing is left out but what has no outcome when the job has ended. */
  #checkOrder(reader: Reader, { plan, outcomes, state }: JobBook, { first }: Message<'Results'>): void {
    if (first < reader.cursor)
      this.#fail(`G2: ${plan.name} was read backwards, ${first} after ${reader.cursor}`);
    if (first > reader.cursor && state === null)
      this.#fail(`G2: ${plan.name} was read with a gap from ${reader.cursor} to ${first}`);
    for (let index = reader.cursor; index < first; index++) {
      if (outcomes.has(index)) this.#fail(`G2: the result of task ${index} of ${plan.name} was left out`);
    }
  }

  #checkPage({ seen }: Reader, { plan, outcomes, values }: JobBook, message: Message<'Results'>): void {
    const failed = new Set((message.failures ?? []).map(({ index }) => index));
    const cutter = new PageCutter(message);
    for (let index = message.first; index < message.first + message.count; index++) {
      if (seen.has(index)) this.#fail(`G2: task ${index} of ${plan.name} was delivered twice`);
      seen.add(index);
      const outcome = outcomes.get(index);
      if (outcome === undefined) this.#fail(`G2: task ${index} of ${plan.name} was delivered, not recorded`);
      if (failed.has(index) !== (outcome !== 'succeeded'))
        this.#fail(`G2: task ${index} of ${plan.name} ${outcome}, but its reader was told otherwise`);
      if (failed.has(index)) continue;
      const value = plan.graph === undefined ? resultOf(plan, index) : values.get(index)!;
      if (Buffer.compare(cutter.cut(index, 1).data, value) !== 0)
        this.#fail(`G2: task ${index} of ${plan.name} was delivered with the wrong value`);
    }
  }

  /** The reader has been told that nothing follows. */
  done(key: object, plan: JobPlan): void {
    const book = this.#records.bookOf(plan);
    const { seen, hasEnd, life } = this.#readerOf(key, book);
    const { outcomes } = book;
    if (book.isRemoved || life !== book.lives) return;
    if (!hasEnd) this.#fail(`${plan.name} was read without its end`);
    for (const [index, outcome] of outcomes) {
      // What was folded is not read.
      if (plan.spec.reduce !== undefined && outcome === 'succeeded') continue;
      if (!seen.has(index)) this.#fail(`G2: the result of task ${index} of ${plan.name} never came`);
    }
  }

  #readerOf(key: object, { lives }: JobBook): Reader {
    let reader = this.#readers.get(key);
    if (reader === undefined) {
      reader = { life: lives, seen: new Set(), cursor: 0, hasEnd: false };
      this.#readers.set(key, reader);
    }
    return reader;
  }
}
