import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { storeConformance } from '../../testing/store-conformance.ts';
import { SqliteStore } from './sqlite-store.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'hive-store-'));
  folders.push(made);
  return made;
}

storeConformance(
  'the SQLite store',
  async () => new SqliteStore({ data: folder() }, () => '0'.repeat(32), Date.now()),
);
