/** How batches reach the disk: in order, once, whoever writes them, and whatever happens to the thread. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { peerId } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import type { StoreRecord } from '../../scheduler/index.ts';
import { copyOfDisk, folder, removeFoldersAfterEach } from '../../testing/folders.ts';
import { JOB, OTHER, pageOf, recorded, submitted } from '../../testing/store-conformance.ts';
import { openForWriting } from './connection.ts';
import { Maintenance } from './maintenance.ts';
import { type SqliteOptions, SqliteStore } from './sqlite-store.ts';

removeFoldersAfterEach();
const drone = (name: string, n = 0): StoreRecord => ({
  type: 'droneJoined',
  drone: peerId(String(n).padStart(32, '0')),
  name,
  at: 5,
});

function open(more: Partial<SqliteOptions> = {}): SqliteStore {
  const store = new SqliteStore({ data: folder(), ...more }, () => '0'.repeat(32), 1_000);
  [...store.recover()];
  return store;
}
/** What the disk holds right now, as another program sees it. */
function look<T>(store: SqliteStore, query: string): T[] {
  const database = new Database(store.path, { readonly: true });
  try {
    return database.prepare(query).all() as T[];
  } finally {
    database.close();
  }
}

describe('the commit door', () => {
  const thread = new URL('../../testing/mortal-writer.ts', import.meta.url);

  test('a thread that dies before its commit loses nothing: the batch goes with the next one', async () => {
    const store = open({ thread, simulatedMillis: 1 });
    store.keep([drone('die before', 1)]);
    await expect(store.commit()).rejects.toThrow('has ended');
    store.keep([drone('and another', 2)]);
    await store.commit();
    expect(look(store, 'SELECT name FROM drones ORDER BY id')).toEqual([
      { name: 'die before' },
      { name: 'and another' },
    ]);
    await store.close();
  });

  test('a thread that dies between its commit and its answer has written the batch, once', async () => {
    const store = open({ thread, simulatedMillis: 1 });
    store.keep([submitted(JOB, 1), drone('die after')]);
    await store.commit();
    store.keep([submitted(OTHER, 2)]);
    await store.commit();
    expect(look(store, 'SELECT id FROM jobs ORDER BY number')).toEqual([{ id: JOB }, { id: OTHER }]);
    await store.close();
  });

  test('waits in its thread for a lock that somebody else holds, not in the Queen', async () => {
    const store = open();
    const other = new Database(store.path);
    other.exec('BEGIN IMMEDIATE');
    store.keep([submitted(JOB, 1)]);
    const durable = store.commit();
    expect(durable).not.toBeNull();
    expect(look(store, 'SELECT id FROM jobs')).toEqual([]);
    other.exec('COMMIT');
    other.close();
    await durable;
    expect(look(store, 'SELECT id FROM jobs')).toEqual([{ id: JOB }]);
    await store.close();
  });

  test('keeps the log short, however much goes through it', async () => {
    const store = open();
    store.keep([submitted(JOB, 1)]);
    let longest = 0;
    const page = { count: 1, sizes: 2 ** 20, data: new Uint8Array(2 ** 20) };
    for (let first = 0; first < 64; first++) {
      store.keep([{ type: 'inputsAppended', job: JOB, page: { ...page, first }, streams: [] }]);
      await store.commit();
      store.keep([{ type: 'inputsDropped', job: JOB, first, count: 1 }]);
      await store.commit();
      longest = Math.max(longest, statSync(join(store.path, '../hive.db-wal')).size);
    }
    expect(longest).toBeLessThan(24 * 2 ** 20);
    await store.close();
  });

  test('a page of inputs that comes and goes within one batch never reaches the disk, but counts', async () => {
    const store = open();
    const zeros = { first: 1, count: 1, sizes: 2 ** 19, data: new Uint8Array(2 ** 19) };
    store.keep([
      submitted(JOB, 1),
      { type: 'inputsAppended', job: JOB, page: pageOf(0, 1), streams: [] },
      { type: 'inputsAppended', job: JOB, page: zeros, streams: [{ index: 1, bytes: 5 }] },
      recorded(JOB, 1, { first: 0, count: 2, sizes: 0, data: new Uint8Array(0) }),
      { type: 'inputsDropped', job: JOB, first: 1, count: 1 },
    ]);
    await store.commit();
    expect(look(store, 'SELECT first, count FROM input_pages')).toEqual([{ first: 0, count: 1 }]);
    expect(look(store, 'SELECT tasks, succeeded FROM jobs')).toEqual([{ tasks: 2, succeeded: 2 }]);
    expect(statSync(join(store.path, '../hive.db-wal')).size).toBeLessThan(2 ** 19);
    await store.close();
  });
});

describe('removal', () => {
  test('goes in small steps, and gives the space back', async () => {
    const store = open();
    const pages = 160;
    store.keep([submitted(JOB, 1), submitted(OTHER, 2)]);
    for (let seq = 1; seq <= pages; seq++) {
      const data = new Uint8Array(2 ** 18).fill(seq);
      store.keep([recorded(JOB, seq, { first: seq, count: 1, sizes: data.length, data })]);
    }
    await store.commit();
    store.keep([{ type: 'jobRemoved', job: JOB }]);
    await store.commit();
    const data = copyOfDisk(join(store.path, '..'));
    await store.close();
    const database = openForWriting(join(data, 'hive.db'));
    const count = database.prepare('SELECT count(*) FROM result_pages').pluck();
    const maintenance = new Maintenance(database);
    let before = count.get() as number;
    let steps = 0;
    for (let hasMore = true; hasMore; steps++) {
      hasMore = maintenance.step();
      const left = count.get() as number;
      expect(before - left).toBeLessThanOrEqual(4);
      before = left;
    }
    expect(before).toBe(0);
    expect(steps).toBeGreaterThan(pages / 4);
    expect(database.prepare('SELECT count(*) FROM removals').pluck().get()).toBe(0);
    expect(database.pragma('page_count', { simple: true })).toBeLessThan(20_000_000 / 4_096);
    database.close();
  });

  test('never takes the pages of a job that came later, even over a restart', async () => {
    const data = folder();
    const first = open({ data });
    first.keep([submitted(JOB, 1), recorded(JOB, 1, pageOf(0, 5)), { type: 'jobRemoved', job: JOB }]);
    await first.commit();
    // As after kill -9, before anything was removed: the highest number is that of the removed job.
    const crashed = copyOfDisk(data);
    await first.close();
    const second = open({ data: crashed });
    second.keep([submitted(OTHER, 1), recorded(OTHER, 1, pageOf(0, 7))]);
    await second.commit();
    let removals = 1;
    while (removals > 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      removals = look(second, 'SELECT job FROM removals').length;
    }
    await second.close();
    const third = open({ data: crashed });
    expect(third.readResults(OTHER, 1)?.page.count).toBe(7);
    expect(look(third, 'SELECT count FROM result_pages')).toEqual([{ count: 7 }]);
    await third.close();
  });
});
