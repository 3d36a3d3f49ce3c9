/** A page as columns of a row, and back. SQLite does not notice when the disk has changed a byte of a value; we do. */
import { crc32 } from 'node:zlib';
import type { Page } from '@hive/shared';

export interface PageRow {
  readonly first: number;
  readonly count: number;
  readonly value_bytes: number | null;
  readonly sizes: Uint8Array | null;
  readonly data: Uint8Array;
  readonly checksum: number;
}

/** For `bytes, value_bytes, sizes, data, checksum`: one size for all values, or a list of sizes. */
export function columnsOf({ sizes, data }: Pick<Page, 'sizes' | 'data'>) {
  const [each, list] = typeof sizes === 'number' ? [sizes, null] : [null, sizes];
  return [data.length, each, list, data, checksumOf(list, data)] as const;
}

/** Undefined when it is not what was written. */
export function pageOf({ first, count, value_bytes, sizes, data, checksum }: PageRow): Page | undefined {
  if (checksumOf(sizes, data) !== checksum) return undefined;
  return { first, count, sizes: value_bytes ?? sizes!, data };
}

function checksumOf(sizes: Uint8Array | null, data: Uint8Array): number {
  return crc32(data, sizes === null ? 0 : crc32(sizes));
}
