/** Damage in pages that nobody reads is found, told once, and nobody has to wait for the search. */
import { jobId } from '@hive/shared';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { startQueen } from '../../queen.ts';
import type { Notice } from '../../scheduler/index.ts';
import { folder, removeFoldersAfterEach } from '../../testing/folders.ts';
import { TEST_KEYS } from '../../testing/keys.ts';
import { TestPeer } from '../../testing/peer.ts';
import { JOB, OTHER, pageOf, recorded, submitted } from '../../testing/store-conformance.ts';
import { BackgroundCheck } from './background-check.ts';
import type { StoreError } from './errors.ts';
import { SqliteStore } from './sqlite-store.ts';

removeFoldersAfterEach();
const AT_ONCE = { afterMillis: 0, fromBytes: 0 };
let data: string;

/** A closed store with two jobs and some pages of each. */
beforeEach(async () => {
  data = folder();
  const store = new SqliteStore({ data }, () => '0'.repeat(32), 0);
  [...store.recover()];
  store.keep([submitted(JOB, 1), submitted(OTHER, 2)]);
  for (let page = 0; page < 20; page++) {
    for (const job of [JOB, OTHER])
      store.keep([
        { type: 'inputsAppended', job, page: pageOf(page * 10, 10), streams: [] },
        recorded(job, page + 1, pageOf(page * 10, 10)),
      ]);
  }
  await store.commit();
  await store.close();
});
let opened: SqliteStore | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});

function damage(sql: string): void {
  const database = new Database(`${data}/hive.db`);
  expect(database.prepare(sql).run().changes).toBeGreaterThan(0);
  database.close();
}
function check(onDamage: (problem: StoreError) => void): void {
  opened = new SqliteStore({ data, check: AT_ONCE, onDamage }, () => '0'.repeat(32), 0);
  [...opened.recover()];
}

test.each([
  ['input_pages', 'first = 150 AND job = 2', `inputs of job ${OTHER}`],
  ['result_pages', 'first = 190 AND job = 1', `results of job ${JOB}`],
])('a damaged page of %s is found, and whose it is', async (table, where, whose) => {
  damage(`UPDATE ${table} SET checksum = checksum + 1 WHERE ${where}`);
  const { code, message } = await new Promise<StoreError>((resolve) => check(resolve));
  expect(code).toBe('damagedStore');
  expect(message).toContain(whose);
});

test('of many damaged pages one is told of', async () => {
  damage('UPDATE input_pages SET checksum = checksum + 1');
  damage('UPDATE result_pages SET checksum = checksum + 1 WHERE job = 1');
  const told: StoreError[] = [];
  const path = `${data}/hive.db`;
  const all = new BackgroundCheck({ path, onDamage: (problem) => told.push(problem), ...AT_ONCE });
  await all.finished;
  await all.close();
  expect(told).toHaveLength(1);
});

test('a store that was checked when it was opened is not read again', async () => {
  damage('UPDATE input_pages SET checksum = checksum + 1');
  const told: StoreError[] = [];
  const path = `${data}/hive.db`;
  const none = new BackgroundCheck({ path, onDamage: (problem) => told.push(problem), afterMillis: 0 });
  await none.finished;
  expect(told).toEqual([]);
});

test('a store is closed while it is looked at', async () => {
  for (let times = 0; times < 3; times++) {
    check(() => {});
    await opened!.close();
    opened = null;
  }
});

test('the Queen says so on her terminal and in her status, and goes on', async () => {
  damage('UPDATE result_pages SET checksum = checksum + 1 WHERE job = 2');
  let tell: (notice: Notice) => void = () => {};
  const told = new Promise<Notice>((resolve) => {
    tell = resolve;
  });
  const queen = await startQueen({
    port: 0,
    keys: TEST_KEYS,
    store: 'sqlite',
    data,
    storeCheck: AT_ONCE,
    onEvent: (event) => event.type === 'storeDamaged' && tell(event),
  });
  const client = await TestPeer.client(queen.address);
  try {
    expect(await told).toMatchObject({
      message: expect.stringContaining(`results of job ${OTHER}`),
    });
    client.send({ type: 'Query', request: 1, about: 'status' });
    expect((await client.next('Answer')).body).toMatchObject({
      storeDamage: expect.stringContaining('damaged'),
    });
    const job = jobId('01890000-0000-7000-8000-00000000000a');
    client.send({ type: 'Submit', job, spec: { kind: 'echo', encoding: 'raw' } });
    await client.next('Accepted');
  } finally {
    client.end();
    await queen.stop();
  }
});
