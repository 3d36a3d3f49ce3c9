/**
 * Pages that pass through whole: for whoever reads inputs from, or writes results to, somewhere else (a file, an HTTP
 * connection) and has, or wants, their bytes. A value costs nothing then but its bytes: no object, no promise.
 */
import type { Failure, Streamed } from '@hive/shared';
import type { Job } from './job.ts';
import type { OutputStream } from './outputs.ts';
import type { PageQueue, ResultPage } from './page-queue.ts';

/**
 * Values that are encoded already, as the job's encoding writes them; an async source of inputs may give these instead of
 * single values. `sizes` is one integer (all equally long) or count x u32 big-endian, `data` the values end to end: at most
 * 1 MiB each, 1.25 MiB and 131,072 values in all.
 */
export class EncodedValues {
  readonly count: number;
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array;

  constructor({ count, sizes, data }: Pick<EncodedValues, 'count' | 'sizes' | 'data'>) {
    this.count = count;
    this.sizes = sizes;
    this.data = data;
  }
}

/** Results as they were recorded together. The first page of an ordered reading may begin before the index asked for. */
export interface EncodedResults {
  /** Grows from page to page where results are read as they finish; where to go on is `after` this. */
  readonly seq: number;
  /** Index of the first task. */
  readonly first: number;
  readonly count: number;
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array;
  /** Tasks of the page that did not succeed; their size is 0, unless they gave something all the same. */
  readonly failures: readonly Failure[];
  /** Tasks whose output is not in the page, because it is over 1 MiB; their size is 0. */
  readonly streams: readonly { readonly index: number; readonly output: OutputStream }[];
}

/** A page is consumed, which lets the Queen send another, when the next one is asked for. */
export async function* encodedResults(
  job: Job,
  queue: PageQueue,
  leave: () => void,
): AsyncGenerator<EncodedResults, void, undefined> {
  try {
    for (;;) {
      const page = queue.take();
      if (page !== null) {
        if (page.count > 0) yield resultsOf(job, page);
        job.consumed(page);
      } else if (queue.isAtEnd) return;
      else await queue.wait();
    }
  } finally {
    if (!queue.isAtEnd) leave();
  }
}

function resultsOf(job: Job, page: ResultPage): EncodedResults {
  const { seq, first, count, sizes, data, failures = [], streams = [] } = page;
  const open = (stream: Streamed) => ({ index: stream.index, output: job.outputOf(page, stream) });
  return { seq, first, count, sizes, data, failures, streams: streams.map(open) };
}
