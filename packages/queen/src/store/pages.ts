/** What stores do with pages, whatever they keep them in. */
import { cutPage, joinPages, type Page, PageBuilder, PageCutter, sizeAt, UsageError } from '@hive/shared';
import type { FoldRef, InputRef, StoreRecord } from '../scheduler/index.ts';
import type { ResultPage } from './store.ts';

/** A small page cut out of a large receive buffer would keep all of it alive: such pages are copied. */
export function compact(page: Page): Page {
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

/** The inputs of some ranges, cut out of their pages and put end to end. `pageOf` finds a page by its first index. */
export function cutInputs(
  { ranges, pages }: InputRef,
  pageOf: (first: number) => PageCutter,
): Pick<Page, 'sizes' | 'data'> {
  const parts: Page[] = [];
  let next = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const end = ranges[i]! + ranges[i + 1]!;
    for (let at = ranges[i]!; at < end; ) {
      const cutter = pageOf(pages[next++]!);
      const stop = Math.min(end, cutter.page.first + cutter.page.count);
      parts.push(cutter.cut(at, stop - at));
      at = stop;
    }
  }
  const { sizes, data } = joinPages(parts);
  return { sizes, data };
}

/** Tasks [first, first + count) of a result page. */
export function partOf(whole: ResultPage, first: number, count: number): ResultPage {
  const within = ({ index }: { readonly index: number }) => index >= first && index < first + count;
  return {
    ...whole,
    page: cutPage(whole.page, first, count),
    failures: whole.failures.filter(within),
    streams: whole.streams.filter(within),
  };
}

/** What a fold is kept as. */
export function foldedPage({
  page,
  drone,
  millis,
  at,
}: Extract<StoreRecord, { type: 'pagesFolded' }>): ResultPage {
  return { page, failures: [], streams: [], drone, millis, at };
}

/**
 * The input of a fold: the list of the values of reduced pages, as a msgpack array. Nobody looks into them.
 * @throws UsageError 'damagedStore' where one is not there
 */
export function composeFold(
  { job, seqs }: FoldRef,
  resultsOf: (job: FoldRef['job'], seq: number) => ResultPage | undefined,
): Pick<Page, 'sizes' | 'data'> {
  const parts = seqs.map((seq) => {
    const stored = resultsOf(job, seq);
    if (stored === undefined) throw new UsageError('A folded value is not in the store.', 'damagedStore');
    return stored.page.data;
  });
  const values = [arrayHeader(seqs.length), ...parts];
  const { data } = joinPages(
    values.map((value) => ({ first: 0, count: 1, sizes: value.length, data: value })),
  );
  return { sizes: data.length, data };
}

/** msgpack's nil, in place of the result of a parent that has none. */
const NIL = Uint8Array.of(0xc0);

/**
 * The inputs of graph tasks: for each the list of its own input and of its parents' results, as a msgpack array. Values
 * are put behind one another; nobody looks into them.
 * @throws UsageError 'tooLarge' where a parent's result is not in its page
 */
export function composeInputs(
  own: Pick<Page, 'sizes' | 'data'>,
  parts: readonly number[],
  resultsOf: (seq: number) => ResultPage | undefined,
): Pick<Page, 'sizes' | 'data'> {
  const cutters = new Map<number, PageCutter>();
  const builder = new PageBuilder();
  let offset = 0;
  let position = 0;
  for (let at = 0; at < parts.length; position++) {
    const parents = parts[at++]!;
    const size = sizeAt(own, position);
    const values = [arrayHeader(parents + 1), own.data.subarray(offset, offset + size)];
    offset += size;
    for (let k = 0; k < parents; k++) values.push(resultOf(parts[at++]!, parts[at++]!, cutters, resultsOf));
    const length = values.reduce((sum, value) => sum + value.length, 0);
    const to = builder.reserve(length);
    let into = builder.offset;
    for (const value of values) {
      to.set(value, into);
      into += value.length;
    }
    builder.wrote(length);
  }
  const { sizes, data } = builder.take();
  return { sizes, data };
}

function resultOf(
  seq: number,
  index: number,
  cutters: Map<number, PageCutter>,
  resultsOf: (seq: number) => ResultPage | undefined,
): Uint8Array {
  let cutter = cutters.get(seq);
  if (cutter === undefined) {
    const whole = seq < 0 ? undefined : resultsOf(seq);
    if (whole === undefined) return NIL;
    if (whole.streams.some((stream) => stream.index === index)) {
      if (whole.failures.some((failure) => failure.index === index)) return NIL;
      const text = `The result of its parent, task ${index}, has over 1 MiB: too much to hand on in a graph.`;
      throw new UsageError(text, 'tooLarge');
    }
    cutter = new PageCutter(whole.page);
    cutters.set(seq, cutter);
  }
  return cutter.cut(index, 1).data;
}

function arrayHeader(count: number): Uint8Array {
  if (count < 16) return Uint8Array.of(0x90 | count);
  if (count < 0x1_0000) return Uint8Array.of(0xdc, count >>> 8, count);
  return Uint8Array.of(0xdd, count >>> 24, count >>> 16, count >>> 8, count);
}
