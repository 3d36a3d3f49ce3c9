/**
 * Records on their way to the writer, which may be another thread: the bytes of all pages in one buffer that is handed
 * over, not copied again; everything else as plain objects.
 */
import type { StoreRecord } from '../../scheduler/index.ts';

/** A record whose page's bytes lie in the batch's buffer. */
export type PackedRecord = Packed<StoreRecord>;
type Packed<R> = R extends { readonly page: unknown } ? Omit<R, 'page'> & { readonly page: PackedPage } : R;
export interface PackedPage {
  readonly first: number;
  readonly count: number;
  /** One size for all, or where the sizes lie. */
  readonly sizes: number | readonly [at: number, length: number];
  readonly data: readonly [at: number, length: number];
}
export interface Batch {
  readonly records: readonly PackedRecord[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Bytes of pages in some records. */
export function pageBytesOf(records: readonly StoreRecord[]): number {
  let bytes = 0;
  for (const record of records) {
    if (!('page' in record)) continue;
    const { data, sizes } = record.page;
    bytes += data.length + (typeof sizes === 'number' ? 0 : sizes.length);
  }
  return bytes;
}

export function packBatch(records: readonly StoreRecord[]): Batch {
  const bytes = new Uint8Array(pageBytesOf(records));
  let at = 0;
  const put = (part: Uint8Array): readonly [number, number] => {
    bytes.set(part, at);
    at += part.length;
    return [at - part.length, part.length];
  };
  const packed = records.map((record): PackedRecord => {
    if (!('page' in record)) return record;
    const { first, count, sizes, data } = record.page;
    const page = { first, count, sizes: typeof sizes === 'number' ? sizes : put(sizes), data: put(data) };
    return { ...record, page };
  });
  return { records: packed, bytes };
}

export function bytesAt(batch: Batch, [at, length]: readonly [number, number]): Uint8Array {
  return batch.bytes.subarray(at, at + length);
}
