/**
 * The store of throw-away clusters and tests: pages in memory, everything durable at once, gone with the process.
 *
 * Cost: pages are kept as they arrived, by reference; reading inputs front to back costs one look at their sizes.
 */
import { InvariantError, type JobId, type Page, PageCutter } from '@hive/shared';
import type { InputRef, PageSplit, StoreRecord } from '../scheduler/index.ts';
import { compact, cutInputs, foldedPage, partOf } from './pages.ts';
import type { Attempt, ResultPage, Store } from './store.ts';

interface JobPages {
  /** By first index. */
  readonly inputs: Map<number, PageCutter>;
  /** By sequence number. */
  readonly results: Map<number, ResultPage>;
  /** By task; only so many tasks are remembered. */
  readonly attempts: Map<number, Attempt[]>;
  isAttached: boolean;
  bytes: number;
}
/** Tasks of a job whose failed attempts are remembered. */
const REMEMBERED_TASKS = 10_000;

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
      case 'jobSubmitted':
        this.#pagesOf(record.job).isAttached = record.spec.attached !== false;
        break;
      case 'inputsAppended':
        this.#pagesOf(record.job).inputs.set(record.page.first, new PageCutter(compact(record.page)));
        this.#count(record.job, record.page.data.length);
        break;
      case 'resultsRecorded': {
        const { failures, streams, drone, millis = null, at } = record;
        const result = { page: compact(record.page), failures, streams, drone, millis, at };
        this.#pagesOf(record.job).results.set(record.seq, result);
        this.#count(record.job, record.page.data.length);
        break;
      }
      case 'pagesFolded': {
        this.#dropResults(record.job, record.seqs);
        const page = compact(record.page);
        this.#pagesOf(record.job).results.set(record.seq, foldedPage({ ...record, page }));
        this.#count(record.job, page.data.length);
        break;
      }
      case 'inputsDropped':
        this.#dropInputs(record.job, record.first);
        break;
      case 'resultsDropped':
        this.#dropResults(record.job, record.seqs);
        break;
      case 'attemptFailed':
        this.#keepAttempt(record);
        break;
      case 'jobEnded':
        // An attached job ends with its client: nothing of it is ever run again.
        if (this.#jobs.get(record.job)?.isAttached)
          for (const first of [...this.#jobs.get(record.job)!.inputs.keys()])
            this.#dropInputs(record.job, first);
        break;
      case 'jobReopened':
        splitPages(this.#pagesOf(record.job).results, record.splits);
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

  readAttempts(job: JobId, index: number): readonly Attempt[] {
    return this.#jobs.get(job)?.attempts.get(index) ?? [];
  }

  async close(): Promise<void> {
    this.#jobs.clear();
    this.#heldBytes = 0;
  }

  #pagesOf(job: JobId): JobPages {
    let pages = this.#jobs.get(job);
    if (pages === undefined) {
      pages = { inputs: new Map(), results: new Map(), attempts: new Map(), isAttached: false, bytes: 0 };
      this.#jobs.set(job, pages);
    }
    return pages;
  }

  #keepAttempt({ job, failure, drone, millis, at }: Extract<StoreRecord, { type: 'attemptFailed' }>): void {
    const { attempts } = this.#pagesOf(job);
    const { index, outcome, code = null, message } = failure;
    const known = attempts.get(index);
    if (known === undefined && attempts.size >= REMEMBERED_TASKS) return;
    const attempt: Attempt = { outcome, code, message, drone, millis: millis ?? null, at };
    if (known === undefined) attempts.set(index, [attempt]);
    else known.push(attempt);
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

/** Replaces pages by parts of them. */
function splitPages(results: Map<number, ResultPage>, splits: readonly PageSplit[]): void {
  for (const { seq, parts } of splits) {
    const whole = results.get(seq);
    if (whole === undefined) continue;
    results.delete(seq);
    for (const { seq: own, first, count } of parts) results.set(own, partOf(whole, first, count));
  }
}
