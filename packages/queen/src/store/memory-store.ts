/**
 * The store of throw-away clusters and tests: pages in memory, everything durable at once, gone with the process.
 *
 * Cost: pages are kept as they arrived, by reference; reading inputs front to back costs one look at their sizes.
 */
import { InvariantError, type JobId, type Page, PageCutter } from '@hive/shared';
import type { InputRef, StoreRecord } from '../scheduler/index.ts';
import { compact, cutInputs } from './pages.ts';
import type { ResultPage, Store } from './store.ts';

interface JobPages {
  /** By first index. */
  readonly inputs: Map<number, PageCutter>;
  /** By sequence number. */
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
        this.#pagesOf(record.job).inputs.set(record.page.first, new PageCutter(compact(record.page)));
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

  readInputs(ref: InputRef): Pick<Page, 'sizes' | 'data'> {
    const inputs = this.#jobs.get(ref.job)?.inputs;
    return cutInputs(ref, (first) => {
      const cutter = inputs?.get(first);
      if (cutter === undefined)
        throw new InvariantError(`the inputs ${first}.. of ${ref.job} are not in the store`);
      return cutter;
    });
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
      pages = { inputs: new Map(), results: new Map(), bytes: 0 };
      this.#jobs.set(job, pages);
    }
    return pages;
  }

  #count(job: JobId, bytes: number): void {
    this.#pagesOf(job).bytes += bytes;
    this.#heldBytes += bytes;
  }

  #dropInputs(job: JobId, first: number): void {
    const inputs = this.#jobs.get(job)?.inputs;
    const cutter = inputs?.get(first);
    if (cutter === undefined) return;
    inputs!.delete(first);
    this.#count(job, -cutter.page.data.length);
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
