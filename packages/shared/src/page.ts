/**
 * Pages: batches of encoded values, the unit in which values travel and are stored. The Queen slices and forwards them
 * without looking inside; only clients and Drones know what the bytes mean.
 *
 * Cost: no object, closure or msgpack call per value; slices are views of the same memory.
 */
import { InvariantError, ProtocolError } from './errors.ts';
import { readU32, writeU32 } from './frame.ts';
import { LIMITS } from './limits.ts';

/** `sizes` is one integer (all values equally long) or count x u32 big-endian; `data` holds the values end to end. */
export interface Page {
  /** Index of the first task. */
  readonly first: number;
  readonly count: number;
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array;
}

/**
 * Refuses a page whose sizes do not add up, or with a value over 1 MiB.
 * @throws ProtocolError
 */
export function checkPage(page: Page): void {
  const { first, count, sizes, data } = page;
  if (!Number.isSafeInteger(first + count)) throw new ProtocolError('a page that passes index 2^53 - 1');
  if (data.length > LIMITS.pageBytesMax) {
    throw new ProtocolError(
      `a page of ${data.length} bytes; at most ${LIMITS.pageBytesMax} are allowed`,
      'tooLarge',
    );
  }
  if (typeof sizes === 'number') {
    if (sizes > LIMITS.valueBytesMax)
      throw new ProtocolError(`a value of ${sizes} bytes in a page`, 'tooLarge');
    if (sizes * count !== data.length) {
      throw new ProtocolError(
        `sizes do not add up: ${count} values of ${sizes} bytes are not ${data.length} bytes`,
      );
    }
    return;
  }
  if (sizes.length !== count * 4) {
    throw new ProtocolError(`sizes do not add up: ${sizes.length} bytes of sizes for ${count} values`);
  }
  let total = 0;
  for (let at = 0; at < sizes.length; at += 4) {
    const size = readU32(sizes, at);
    if (size > LIMITS.valueBytesMax)
      throw new ProtocolError(`a value of ${size} bytes in a page`, 'tooLarge');
    total += size;
  }
  if (total !== data.length)
    throw new ProtocolError(`sizes do not add up: ${total} is not ${data.length} bytes`);
}

/**
 * Refuses a reduced page that is not one value for at least one task.
 * @throws ProtocolError
 */
export function checkReducedPage({ first, count, sizes, data }: Page): void {
  if (!Number.isSafeInteger(first + count)) throw new ProtocolError('a page that passes index 2^53 - 1');
  if (count === 0 || sizes !== data.length)
    throw new ProtocolError('a reduced page is one value, for one task or more');
}

/** Size of the value at position `at` of the page (not: index), in bytes. */
export function sizeAt(page: { sizes: number | Uint8Array }, at: number): number {
  return typeof page.sizes === 'number' ? page.sizes : readU32(page.sizes, at * 4);
}

/** Cuts pages. Remembers where it was, so cutting a page from front to back costs no more than reading its sizes once. */
export class PageCutter {
  readonly page: Page;
  #position = 0;
  #offset = 0;

  constructor(page: Page) {
    this.page = page;
  }

  /** Byte offset in `data` of the value at `position`, which may equal `count`. */
  offsetOf(position: number): number {
    const { sizes } = this.page;
    if (typeof sizes === 'number') return position * sizes;
    if (position < this.#position) {
      this.#position = 0;
      this.#offset = 0;
    }
    let offset = this.#offset;
    for (let at = this.#position; at < position; at++) offset += readU32(sizes, at * 4);
    this.#position = position;
    this.#offset = offset;
    return offset;
  }

  /** The part [first, first + count) of the page, which must lie inside it, as views. */
  cut(first: number, count: number): Page {
    const { page } = this;
    if (first === page.first && count === page.count) return page;
    const position = first - page.first;
    const from = this.offsetOf(position);
    const to = this.offsetOf(position + count);
    const sizes =
      typeof page.sizes === 'number' ? page.sizes : page.sizes.subarray(position * 4, (position + count) * 4);
    return { first, count, sizes, data: page.data.subarray(from, to) };
  }
}

/** Cuts one part out of a page that will not be cut again. */
export function cutPage(page: Page, first: number, count: number): Page {
  return first === page.first && count === page.count ? page : new PageCutter(page).cut(first, count);
}

/** Puts pages end to end. They need not be adjacent: `first` is that of the first one. */
export function joinPages(pages: readonly Page[]): Page {
  if (pages.length === 1) return pages[0]!;
  const first = pages[0]?.first ?? 0;
  let count = 0;
  let length = 0;
  let size: number | null = null;
  let isUniform = true;
  for (const page of pages) {
    count += page.count;
    length += page.data.length;
    if (page.count === 0) continue;
    if (typeof page.sizes !== 'number' || (size !== null && size !== page.sizes)) isUniform = false;
    else size = page.sizes;
  }
  const data = new Uint8Array(length);
  const sizes = isUniform ? null : new Uint8Array(count * 4);
  let at = 0;
  let position = 0;
  for (const page of pages) {
    data.set(page.data, at);
    at += page.data.length;
    if (sizes !== null) writeSizes(page, sizes, position);
    position += page.count;
  }
  return { first, count, sizes: sizes ?? size ?? 0, data };
}

function writeSizes(page: Page, to: Uint8Array, position: number): void {
  if (typeof page.sizes !== 'number') {
    to.set(page.sizes, position * 4);
    return;
  }
  for (let i = 0; i < page.count; i++) writeU32(to, (position + i) * 4, page.sizes);
}

const NOTHING = new Uint8Array(0);
const SMALL_PAGE_BYTES = 256;

/** Builds a page value by value. `isFull` says when to take it; a value larger than 1 MiB is the caller's to refuse. */
export class PageBuilder {
  #first: number;
  #count = 0;
  #data: Uint8Array = NOTHING;
  #length = 0;
  /** Bytes that the page is likely to have; taken when the first value comes, because many builders never see a second page. */
  #likely = SMALL_PAGE_BYTES;
  #sizes: Uint8Array;
  /** The size that all values have had so far, or -1 when they differ. */
  #uniform = 0;

  constructor(first = 0) {
    this.#first = first;
    this.#sizes = new Uint8Array(64);
  }

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#length;
  }
  get isFull(): boolean {
    return this.#length >= LIMITS.pageBytesTarget || this.#count >= LIMITS.pageCountMax;
  }

  /** Room for `bytes` more; write there at `offset`, then call `wrote`. */
  reserve(bytes: number): Uint8Array {
    const wanted = this.#length + bytes;
    if (wanted > this.#data.length) {
      const larger = new Uint8Array(Math.max(wanted, this.#data.length * 2, this.#likely));
      larger.set(this.#data.subarray(0, this.#length));
      this.#data = larger;
    }
    return this.#data;
  }
  get offset(): number {
    return this.#length;
  }

  /** The next value is `size` bytes long and stands at `offset`. */
  wrote(size: number): void {
    if (this.#count * 4 === this.#sizes.length) {
      const larger = new Uint8Array(this.#sizes.length * 2);
      larger.set(this.#sizes);
      this.#sizes = larger;
    }
    writeU32(this.#sizes, this.#count * 4, size);
    if (this.#count === 0) this.#uniform = size;
    else if (this.#uniform !== size) this.#uniform = -1;
    this.#count++;
    this.#length += size;
  }

  /** The next values are in a page that somebody else made. */
  skip(count: number): void {
    if (this.#count > 0) throw new InvariantError('a page under construction cannot leave indices out');
    this.#first += count;
  }

  push(value: Uint8Array): void {
    this.reserve(value.length).set(value, this.#length);
    this.wrote(value.length);
  }

  /** The page so far; the builder goes on with the next index and fresh memory. */
  take(): Page {
    const page: Page = {
      first: this.#first,
      count: this.#count,
      sizes: this.#uniform >= 0 ? this.#uniform : this.#sizes.slice(0, this.#count * 4),
      // Never the one that is shared: memory may be handed on to a thread, and is then gone here.
      data: this.#length === 0 ? new Uint8Array(0) : this.#data.subarray(0, this.#length),
    };
    this.#first += this.#count;
    // The next page is likely to be as long, give or take a value: memory that is just too small would be doubled.
    const likely = this.#length + (this.#length >>> 3);
    this.#likely = Math.min(Math.max(SMALL_PAGE_BYTES, likely), LIMITS.pageBytesMax);
    this.#data = NOTHING;
    this.#length = 0;
    this.#count = 0;
    return page;
  }
}
