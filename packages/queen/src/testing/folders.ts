/** Folders of tests: each is gone after its test. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';

const folders: string[] = [];

/** Call once in a test file that uses `folder`. */
export function removeFoldersAfterEach(): void {
  afterEach(() => {
    for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
  });
}

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'hive-store-'));
  folders.push(made);
  return made;
}

/** The database as it is on the disk right now: what a machine that loses its power has afterwards. */
export function copyOfDisk(data: string, to = folder()): string {
  mkdirSync(to, { recursive: true });
  for (const file of ['hive.db', 'hive.db-wal'])
    if (existsSync(join(data, file))) cpSync(join(data, file), join(to, file));
  return to;
}
