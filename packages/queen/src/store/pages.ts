/** What stores do with pages, whatever they keep them in. */
import { cutPage, joinPages, type Page, type PageCutter } from '@hive/shared';
import type { InputRef } from '../scheduler/index.ts';
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
