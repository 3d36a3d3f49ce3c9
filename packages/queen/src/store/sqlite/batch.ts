/**
 * What is kept and not durable yet, and how it travels to the writer's thread: the bytes of all pages in one buffer that
 * is handed over, not copied again; everything else as plain objects.
 *
 * A page of inputs that is dropped in the batch in which it was appended never reaches the disk: the batch is atomic, so
 * nobody could ever see it there. Only its count remains.
 */
import type { Page } from '@hive/shared';
import type { StoreRecord } from '../../scheduler/index.ts';

/** Inputs that came and went within one batch. */
export interface InputsPassed {
  readonly type: 'inputsPassed';
  readonly count: number;
}
/** A record, and the number of the job's row. Ids can come back after a job was removed; numbers never do. */
export interface Entry {
  readonly number: number;
  readonly record: StoreRecord | InputsPassed;
}

/** Records on their way to the disk, in the order in which they were kept. */
export class Batch {
  readonly entries: Entry[] = [];
  /** Bytes of its pages. */
  bytes = 0;
  /** The latest time in it, in milliseconds since 1970. */
  latest = 0;
  /** Where the input pages of this batch are, by job and first index. */
  readonly #inputs = new Map<number, Map<number, number>>();

  get size(): number {
    return this.entries.length;
  }

  add(entry: Entry): void {
    const { number, record } = entry;
    if ('at' in record && record.at > this.latest) this.latest = record.at;
    if (record.type === 'inputsDropped' && this.#pass(number, record.first)) return;
    if (record.type === 'inputsAppended') {
      let pages = this.#inputs.get(number);
      if (pages === undefined) {
        pages = new Map();
        this.#inputs.set(number, pages);
      }
      pages.set(record.page.first, this.entries.length);
    }
    if ('page' in record) this.bytes += bytesOf(record.page);
    this.entries.push(entry);
  }

  /** Adds what was kept after this batch, which has failed. */
  absorb(later: Batch): void {
    for (const entry of later.entries) this.add(entry);
  }

  /** True when the page was appended in this batch: it is as if it had never been more than a count. */
  #pass(number: number, first: number): boolean {
    const pages = this.#inputs.get(number);
    const at = pages?.get(first);
    if (at === undefined) return false;
    pages!.delete(first);
    const { record } = this.entries[at]!;
    if (record.type !== 'inputsAppended') return false;
    this.bytes -= bytesOf(record.page);
    this.entries[at] = { number, record: { type: 'inputsPassed', count: record.page.count } };
    return true;
  }
}

function bytesOf({ data, sizes }: Page): number {
  return data.length + (typeof sizes === 'number' ? 0 : sizes.length);
}

/** A batch as it travels. */
export interface PackedBatch {
  /** Counts the batches that went to the thread, so that a batch whose answer was lost is not written twice. */
  readonly id: number;
  readonly latest: number;
  readonly entries: readonly PackedEntry[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}
interface PackedEntry {
  readonly number: number;
  /** Its page, if it has one, is empty: the bytes are at `data` and `sizes`. */
  readonly record: Entry['record'];
  readonly data?: Place;
  readonly sizes?: Place;
}
type Place = readonly [at: number, length: number];
const NOTHING = new Uint8Array(0);

export function packBatch(batch: Batch, id: number): PackedBatch {
  const bytes = new Uint8Array(batch.bytes);
  let at = 0;
  const put = (part: Uint8Array): Place => {
    bytes.set(part, at);
    at += part.length;
    return [at - part.length, part.length];
  };
  const entries = batch.entries.map(({ number, record }): PackedEntry => {
    if (!('page' in record)) return { number, record };
    const { sizes, data, first, count } = record.page;
    const areSizesBytes = typeof sizes !== 'number';
    const page = { first, count, sizes: areSizesBytes ? 0 : sizes, data: NOTHING };
    return {
      number,
      record: { ...record, page },
      data: put(data),
      ...(areSizesBytes ? { sizes: put(sizes) } : {}),
    };
  });
  return { id, latest: batch.latest, entries, bytes };
}

/** The same entries; their pages are views into the buffer. */
export function unpackBatch({ entries, bytes }: PackedBatch): Entry[] {
  const view = ([at, length]: Place) => bytes.subarray(at, at + length);
  return entries.map(({ number, record, data, sizes }): Entry => {
    if (!('page' in record) || data === undefined) return { number, record };
    const page = {
      ...record.page,
      data: view(data),
      sizes: sizes === undefined ? record.page.sizes : view(sizes),
    };
    return { number, record: { ...record, page } };
  });
}
