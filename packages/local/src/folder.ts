/** A data folder: the caller's, or one of our own that goes when its cluster ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Folder {
  readonly path: string;
  /** Removes it, if it was made here. */
  remove(): void;
}

export function dataFolder(given: string | undefined): Folder {
  if (given !== undefined) return { path: given, remove() {} };
  const path = mkdtempSync(join(tmpdir(), 'hive-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
