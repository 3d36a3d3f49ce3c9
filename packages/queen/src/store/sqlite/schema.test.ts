/** docs/STORE.md describes every table and column, in their order, and no others. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerId } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { folder, removeFoldersAfterEach } from '../../testing/folders.ts';
import { JOB, pageOf, recorded, submitted } from '../../testing/store-conformance.ts';
import { migrate } from './schema.ts';
import { SqliteStore } from './sqlite-store.ts';

removeFoldersAfterEach();

/** As it was before results were folded. */
const WITHOUT_REDUCE =
  'DROP INDEX result_pages_reduced; ALTER TABLE result_pages DROP COLUMN reduced; ALTER TABLE jobs DROP COLUMN value_result';

function documented(): Record<string, string[]> {
  const text = readFileSync(new URL('../../../../../docs/STORE.md', import.meta.url), 'utf8');
  const tables: Record<string, string[]> = {};
  for (const section of text.split(/^### /m).slice(1)) {
    const [name] = section.split('\n', 1);
    const columns = section.split(/^## /m)[0]!.matchAll(/^\| `(\w+)` \|/gm);
    tables[name!] = [...columns].map(([, column]) => column!);
  }
  return tables;
}

/** Takes back what came with nodes, and later. */
function withoutNodes(database: Database.Database): void {
  database.exec(
    'DROP TABLE nodes; DROP TABLE jobs_elsewhere; ALTER TABLE jobs DROP COLUMN failure; ALTER TABLE jobs DROP COLUMN node; ALTER TABLE jobs DROP COLUMN node_epoch',
  );
}

describe('the tables', () => {
  test('are those that docs/STORE.md describes', () => {
    const database = new Database(':memory:');
    migrate(database, 0);
    const tables: Record<string, string[]> = {};
    const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all();
    for (const name of names as string[]) {
      const columns = database.pragma(`table_info(${name})`) as { name: string }[];
      tables[name] = columns.map((column) => column.name);
    }
    database.close();
    expect(documented()).toEqual(tables);
  });

  test('of an older version become those of this one', async () => {
    const data = folder();
    const database = new Database(join(data, 'hive.db'));
    migrate(database, 0);
    withoutNodes(database);
    database.exec(
      `${WITHOUT_REDUCE}; DROP TABLE drained_drones; DROP TABLE revoked_keys; DROP TABLE queued_tasks; DROP INDEX result_pages_with_streams; PRAGMA user_version = 1`,
    );
    database.close();
    const store = new SqliteStore({ data }, () => '0'.repeat(32), 0);
    [...store.recover()];
    store.keep([
      submitted(JOB, 1, { queueTimeoutMillis: 1 }),
      { type: 'tasksQueued', job: JOB, first: 0, at: 5, overdueUpTo: 4 },
    ]);
    await store.commit();
    await store.close();
    const again = new SqliteStore({ data }, () => '0'.repeat(32), 0);
    expect([...again.recover()]).toMatchObject([{ job: JOB, queuedSince: [{ first: 0, at: 5 }] }]);
    await again.close();
  });

  test('give a person something that can be understood', async () => {
    const data = folder();
    const store = new SqliteStore({ data }, () => '0'.repeat(32), 0);
    [...store.recover()];
    store.keep([
      submitted(JOB, 1, { name: 'resize holiday photos', kind: 'function', attached: true }),
      { type: 'inputsAppended', job: JOB, page: pageOf(0, 5), streams: [] },
      { type: 'jobSealed', job: JOB },
      recorded(JOB, 1, pageOf(0, 3), { failures: [{ index: 1, outcome: 'failed', message: 'no' }] }),
    ]);
    await store.commit();
    const database = new Database(join(data, 'hive.db'), { readonly: true });
    const [row] = database.prepare('SELECT * FROM jobs ORDER BY created_at DESC LIMIT 5').all();
    database.close();
    await store.close();
    expect(row).toEqual({
      number: 1,
      id: JOB,
      name: 'resize holiday photos',
      kind: 'function',
      state: 'running',
      priority: 0,
      tasks: 5,
      succeeded: 2,
      failed: 1,
      cancelled: 0,
      created_at: '1970-01-01T00:00:00.000Z',
      ended_at: null,
      reopened_at: null,
      message: null,
      sealed: 1,
      attached: 1,
      hidden: 0,
      newest_result: 1,
      recorded_below: 0,
      lease_mark: 0,
      value_result: null,
      node: '0'.repeat(32),
      node_epoch: 1,
      failure: null,
    });
  });
});

test('a store from before there were keys is brought up to date, with all that it has', async () => {
  const data = folder();
  const open = () => new SqliteStore({ data }, () => '0'.repeat(32), 0);
  const first = open();
  [...first.recover()];
  first.keep([submitted(JOB, 1), { type: 'droneJoined', drone: peerId('d'.repeat(32)), name: 'd', at: 5 }]);
  await first.commit();
  await first.close();
  const database = new Database(join(data, 'hive.db'));
  withoutNodes(database);
  database.exec(`${WITHOUT_REDUCE}; DROP TABLE revoked_keys; DROP TABLE drained_drones`);
  database.pragma('user_version = 3');
  database.close();
  const second = open();
  expect([...second.recover()].map(({ type }) => type)).toEqual(['jobRecovered', 'droneJoined']);
  second.keep([{ type: 'keyRevoked', keyId: 'abc', at: 1_700_000_000_123 }]);
  await second.commit();
  await second.close();
  const third = open();
  expect([...third.recover()].at(-1)).toEqual({ type: 'keyRevoked', keyId: 'abc', at: 1_700_000_000_123 });
  await third.close();
});
