/**
 * Where a reader of results stands: the page that it is in, and the ones that wait. A page is consumed, which lets the
 * Queen send another, when its last value has been read and the next one is wanted.
 */
import type { Job } from './job.ts';
import type { PageQueue, ResultPage } from './page-queue.ts';
import type { PageReader } from './page-reader.ts';

export class PageCursor {
  readonly #job: Job;
  readonly #queue: PageQueue;
  #page: ResultPage | null = null;
  #reader: PageReader | null = null;

  constructor(job: Job, queue: PageQueue) {
    this.#job = job;
    this.#queue = queue;
  }

  /** A reader that has a value left, or null if one must be waited for. @throws what the results failed with */
  get ready(): PageReader | null {
    const reader = this.#reader;
    if (reader !== null && !reader.isAtEnd) return reader;
    return this.#open();
  }

  /** Whether everything was read and nothing will come. */
  get isAtEnd(): boolean {
    return this.#queue.isAtEnd;
  }
  /** Resolves when it is worth looking again. */
  wait(): Promise<void> {
    return this.#queue.wait();
  }

  /** Nobody reads on. */
  drop(): void {
    this.#page = null;
    this.#reader = null;
  }

  #open(): PageReader | null {
    while (true) {
      if (this.#page !== null) this.#job.consumed(this.#page);
      this.drop();
      const page = this.#queue.take();
      if (page === null) return null;
      this.#page = page;
      const reader = this.#job.readerOf(page);
      if (reader.isAtEnd) continue;
      this.#reader = reader;
      return reader;
    }
  }
}
