/**
 * The store of throw-away clusters and tests: pages in memory, everything durable at once, gone with the process.
 *
 * Cost: pages are kept as they arrived, by reference; reading inputs front to back costs one look at their sizes.
 */
import { cutPage, InvariantError, type JobId, joinPages, type Page, PageCutter } from '@hive/shared';
import type { StoreRecord } from '../scheduler/index.ts';
import type { ResultPage, Store } from './store.ts';

interface JobPages {
  /** By `first`, ascending. The part before `head` was dropped. */
  inputs: (PageCutter | null)[];
  head: number;
  readonly results: Map<number, ResultPage>;
  bytes: number;
}

export class MemoryStore implements Store {
  readonly name = 'memory';
  readonly isDurable = false;
  readonly #jobs = new Map<JobId, JobPages>();
  #heldBytes = 0;

  get heldBytes(): number {
    return this.#heldBytes;
  }

  recover(): Iterable<StoreRecord> {
    return [];
  }

  keep(records: readonly StoreRecord[]): void {
    for (const record of records) this.#keep(record);
  }

  commit(): null {
    return null;
  }

  #keep(record: StoreRecord): void {
    switch (record.type) {
      case 'inputsAppended':
        this.#pagesOf(record.job).inputs.push(new PageCutter(compact(record.page)));
        this.#count(record.job, record.page.data.length);
        break;
      case 'resultsRecorded': {
        const { failures, streams } = record;
        this.#pagesOf(record.job).results.set(record.seq, { page: compact(record.page), failures, streams });
        this.#count(record.job, record.page.data.length);
        break;
      }
      case 'inputsDropped':
        this.#dropInputs(record.job, record.first);
        break;
      case 'resultsDropped':
        this.#dropResults(record.job, record.seqs);
        break;
      case 'jobRemoved':
        this.#heldBytes -= this.#jobs.get(record.job)?.bytes ?? 0;
        this.#jobs.delete(record.job);
        break;
      default:
      // The rest is the scheduler's own state, which has no copy here: it would be lost with the same process.
    }
  }

  readInputs(job: JobId, ranges: readonly number[]): Pick<Page, 'sizes' | 'data'> {
    const parts: Page[] = [];
    const pages = this.#jobs.get(job);
    for (let i = 0; i < ranges.length; i += 2) {
      const first = ranges[i]!;
      const end = first + ranges[i + 1]!;
      let at = first;
      for (let p = pages === undefined ? -1 : find(pages, first); at < end; p++) {
        const cutter = pages?.inputs[p];
        if (!cutter || cutter.page.first > at)
          throw new InvariantError(`inputs ${at}.. of ${job} are not in the store`);
        const stop = Math.min(end, cutter.page.first + cutter.page.count);
        parts.push(cutter.cut(at, stop - at));
        at = stop;
      }
    }
    return joinPages(parts);
  }

  readResults(job: JobId, seq: number): ResultPage | undefined {
    return this.#jobs.get(job)?.results.get(seq);
  }

  async close(): Promise<void> {
    this.#jobs.clear();
    this.#heldBytes = 0;
  }

  #pagesOf(job: JobId): JobPages {
    let pages = this.#jobs.get(job);
    if (pages === undefined) {
      pages = { inputs: [], head: 0, results: new Map(), bytes: 0 };
      this.#jobs.set(job, pages);
    }
    return pages;
  }

  #count(job: JobId, bytes: number): void {
    this.#pagesOf(job).bytes += bytes;
    this.#heldBytes += bytes;
  }

  #dropInputs(job: JobId, first: number): void {
    const pages = this.#jobs.get(job);
    if (pages === undefined) return;
    const at = find(pages, first);
    const cutter = pages.inputs[at];
    if (!cutter || cutter.page.first !== first) return;
    this.#count(job, -cutter.page.data.length);
    pages.inputs[at] = new PageCutter({ ...cutter.page, sizes: 0, data: EMPTY });
    DROPPED.add(pages.inputs[at]!);
    while (pages.head < pages.inputs.length && DROPPED.has(pages.inputs[pages.head]!)) pages.head++;
    if (pages.head < 64 || pages.head * 2 < pages.inputs.length) return;
    pages.inputs = pages.inputs.slice(pages.head);
    pages.head = 0;
  }

  #dropResults(job: JobId, seqs: readonly number[]): void {
    const pages = this.#jobs.get(job);
    for (const seq of seqs) {
      const result = pages?.results.get(seq);
      if (result === undefined) continue;
      pages!.results.delete(seq);
      this.#count(job, -result.page.data.length);
    }
  }
}

const EMPTY = new Uint8Array(0);
/** Input pages whose bytes are gone; their place is kept until all before them are gone too. */
const DROPPED = new WeakSet<PageCutter>();

/** A small page cut out of a large receive buffer would keep all of it alive: such pages are copied. */
function compact(page: Page): Page {
  const { data, sizes } = page;
  const isSmallPart = data.length * 2 < data.buffer.byteLength;
  const sizesArePart = typeof sizes !== 'number' && sizes.length * 2 < sizes.buffer.byteLength;
  if (!isSmallPart && !sizesArePart) return page;
  return {
    ...cutPage(page, page.first, page.count),
    data: isSmallPart ? Uint8Array.prototype.slice.call(data) : data,
    sizes: sizesArePart ? Uint8Array.prototype.slice.call(sizes) : sizes,
  };
}

/** Position of the page that holds `index`. */
function find(pages: JobPages, index: number): number {
  let low = pages.head;
  let high = pages.inputs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { first, count } = pages.inputs[middle]!.page;
    if (first + count > index) high = middle;
    else low = middle + 1;
  }
  return low;
}
