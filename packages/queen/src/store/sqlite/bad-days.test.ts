/** What can be wrong with a store before it is opened: a sentence for a person, and nothing changed on the disk. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { copyOfDisk, folder, removeFoldersAfterEach } from '../../testing/folders.ts';
import { JOB, OTHER, pageOf, recorded, submitted } from '../../testing/store-conformance.ts';
import { StoreError } from './errors.ts';
import { SqliteStore } from './sqlite-store.ts';

removeFoldersAfterEach();
const PAGES = 12;
const PAGE_BYTES = 4_096;

const open = (data: string) => new SqliteStore({ data, cacheBytes: 0 }, () => '0'.repeat(32), 1_000);

/** A store with some of everything, closed. */
async function filled(): Promise<string> {
  const data = folder();
  const store = open(data);
  [...store.recover()];
  store.keep([submitted(JOB, 1), submitted(OTHER, 2, { params: { text: 'x'.repeat(9_000) } })]);
  for (let page = 0; page < PAGES; page++) {
    store.keep([
      { type: 'inputsAppended', job: JOB, page: pageOf(page * 500, 500), streams: [] },
      recorded(JOB, page + 1, pageOf(page * 500, 500), {
        failures: [{ index: page * 500, outcome: 'failed', message: 'no' }],
      }),
    ]);
    await store.commit();
  }
  await store.close();
  // One file is all that is left of a store that was closed.
  expect(readdirSync(data).filter((file) => file.startsWith('hive.db'))).toEqual(['hive.db']);
  return data;
}

/** Everything that can be read of it, as one hash. */
async function readAll(data: string): Promise<string> {
  const store = open(data);
  try {
    const hash = createHash('sha256').update(JSON.stringify([...store.recover()]));
    for (let page = 0; page < PAGES; page++) {
      hash.update(store.readInputs({ job: JOB, ranges: [page * 500, 500], pages: [page * 500] }).data);
      hash.update(JSON.stringify(store.readResults(JOB, page + 1)));
    }
    return hash.digest('hex');
  } finally {
    await store.close();
  }
}

function hashOf(data: string): string {
  return createHash('sha256')
    .update(readFileSync(join(data, 'hive.db')))
    .digest('hex');
}

/** Opening it fails with this code, a sentence, and leaves the file as it was. */
async function expectRefused(data: string, code: string): Promise<void> {
  const before = existsSync(join(data, 'hive.db')) ? hashOf(data) : null;
  const error = await readAll(data).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StoreError);
  const { code: actual, message } = error as StoreError;
  expect(actual).toBe(code);
  expect(message).toMatch(/^(The|Another|\/).*[.]$/);
  expect(message).toContain('hive.db');
  if (before !== null) expect(hashOf(data)).toBe(before);
}

describe('a store that cannot be used', () => {
  test('is damaged in its header', async () => {
    const data = await filled();
    const bytes = readFileSync(join(data, 'hive.db'));
    bytes.fill(0xa5, 0, 100);
    writeFileSync(join(data, 'hive.db'), bytes);
    await expectRefused(data, 'damagedStore');
  });

  test('is damaged in any one page: it says so, or gives back what was stored', async () => {
    const data = await filled();
    const whole = await readAll(copyOfDisk(data));
    const clean = readFileSync(join(data, 'hive.db'));
    const outcomes = { damaged: 0, harmless: 0 };
    for (let page = 1; page * PAGE_BYTES < clean.length; page++) {
      const torn = folder();
      const bytes = Buffer.from(clean);
      bytes.fill(0xee, page * PAGE_BYTES, page * PAGE_BYTES + 512);
      writeFileSync(join(torn, 'hive.db'), bytes);
      const read = await readAll(torn).catch((error: unknown) => error);
      if (typeof read === 'string') {
        // A page that holds nothing any more.
        expect(read).toBe(whole);
        outcomes.harmless++;
        continue;
      }
      expect(read).toBeInstanceOf(StoreError);
      expect((read as StoreError).code).toBe('damagedStore');
      expect(readFileSync(join(torn, 'hive.db')).equals(bytes)).toBe(true);
      outcomes.damaged++;
    }
    expect(outcomes.damaged).toBeGreaterThan(outcomes.harmless);
  });

  test('was cut short', async () => {
    const data = await filled();
    truncateSync(join(data, 'hive.db'), 5 * PAGE_BYTES);
    await expectRefused(data, 'damagedStore');
  });

  test('is not a database', async () => {
    const data = folder();
    writeFileSync(join(data, 'hive.db'), 'Dear diary, today I was mistaken for a database. '.repeat(50));
    await expectRefused(data, 'damagedStore');
  });

  test('is a database of another program', async () => {
    const data = folder();
    const other = new Database(join(data, 'hive.db'));
    other.exec('CREATE TABLE recipes (name TEXT)');
    other.close();
    await expectRefused(data, 'foreignStore');
  });

  test('was written by a newer version', async () => {
    const data = await filled();
    const database = new Database(join(data, 'hive.db'));
    database.pragma('user_version = 99');
    database.close();
    await expectRefused(data, 'newerStore');
  });

  test('lies where a file is', async () => {
    const data = join(folder(), 'file');
    writeFileSync(data, '');
    await expectRefused(data, 'badStore');
  });

  test('lies on a disk that is read-only', async () => {
    const data = join(folder(), 'mounted');
    mkdirSync(data);
    if (!mount(data, ['-o', 'ro'])) return;
    try {
      await expectRefused(data, 'readOnlyStore');
    } finally {
      execFileSync('umount', [data]);
    }
  });

  test('is an empty file, and is made then', async () => {
    const data = folder();
    writeFileSync(join(data, 'hive.db'), '');
    const store = open(data);
    expect([...store.recover()]).toEqual([]);
    await store.close();
  });
});

describe('a store in use', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** Another process that holds the store. */
  async function holder(data: string): Promise<ChildProcess> {
    const module = new URL('./sqlite-store.ts', import.meta.url).href;
    const code = `import { SqliteStore } from ${JSON.stringify(module)};
      const store = new SqliteStore({ data: ${JSON.stringify(data)} }, () => '0'.repeat(32), 1000);
      [...store.recover()];
      console.log('ready');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once('data', () => resolve());
      child.once('exit', () => reject(new Error('the holder has ended')));
    });
    return child;
  }

  test('by another Queen is refused, and free at once when she is killed', async () => {
    const data = await filled();
    const child = await holder(data);
    await expectRefused(data, 'storeInUse');
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    expect(await readAll(data)).toHaveLength(64);
  });

  test('by another Queen in the same process is refused, and leaves her lock alone', async () => {
    const data = await filled();
    const store = open(data);
    [...store.recover()];
    await expectRefused(data, 'storeInUse');
    await expectRefused(data, 'storeInUse');
    await store.close();
    expect(await readAll(data)).toHaveLength(64);
  });
});

/** Mounts a small file system there. False, with a printed reason, where that is not possible. */
function mount(path: string, options: readonly string[]): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', path], { stdio: 'pipe' });
    return true;
  } catch (error) {
    console.warn(`skipped: no file system can be mounted here (${(error as Error).message.trim()})`);
    return false;
  }
}
