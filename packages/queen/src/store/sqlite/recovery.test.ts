/** G6: the state after recovery is the last committed durable projection, whatever happened and whenever it ended. */
import { readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { peerId, seededChance } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Scheduler } from '../../scheduler/index.ts';
import { Driver } from '../../testing/driver.ts';
import { copyOfDisk, folder, removeFoldersAfterEach } from '../../testing/folders.ts';
import { projection } from '../../testing/projection.ts';
import { JOB, submitted } from '../../testing/store-conformance.ts';
import { SqliteStore } from './sqlite-store.ts';

removeFoldersAfterEach();
const START = 1_700_000_000_000;
const queen = () => 'a'.repeat(32);

function open(data: string, simulatedMillis = 0): SqliteStore {
  return new SqliteStore({ data, simulatedMillis, cacheBytes: 2_000 }, queen, START);
}

/** Thousands of real transactions: a busy machine needs its time for them. */
const LONG_MILLIS = 180_000;

describe('recovery', () => {
  test(
    'brings back what was committed last, after any history, at any point',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer(), fc.boolean(), async (seed, isSlow) => {
          const chance = seededChance(seed);
          let data = folder();
          let now = START + 0.25;
          for (let life = 0; life < 3; life++) {
            const store = open(data, isSlow ? 0.01 : 0);
            const { epoch } = store.identity;
            expect(epoch).toBe(life + 1);
            const driver = new Driver({
              store,
              epoch,
              startedAt: Math.max(now, store.identity.latest),
              chance,
            });
            for (let turn = Math.floor(chance() * 150); turn > 0; turn--) {
              driver.act();
              if (chance() < 0.4) await driver.commit();
            }
            // The process dies here: what was kept after the last commit is gone with it.
            now = driver.now;
            data = copyOfDisk(data);
            await store.close();
            await expectRecovered(copyOfDisk(data), driver, now);
          }
        }),
        { numRuns: 15 },
      );
    },
    LONG_MILLIS,
  );

  test(
    'of a log that was torn anywhere brings back one of the states that were committed, and the newest that fits',
    async () => {
      const chance = seededChance(5);
      const data = folder();
      const store = open(data);
      const driver = new Driver({ store, epoch: 1, startedAt: START, chance });
      const log = join(data, 'hive.db-wal');
      const states: { readonly bytes: number; readonly state: unknown }[] = [
        { bytes: statSync(log, { throwIfNoEntry: false })?.size ?? 0, state: driver.committed },
      ];
      for (let turn = 0; turn < 60; turn++) {
        driver.act();
        await driver.commit();
        states.push({ bytes: statSync(log).size, state: driver.committed });
      }
      const whole = readFileSync(log).length;
      for (let cut = 0; cut < 40; cut++) {
        const bytes = Math.floor(chance() * whole);
        const torn = copyOfDisk(data);
        truncateSync(join(torn, 'hive.db-wal'), bytes);
        const expected = states.filter((each) => each.bytes <= bytes).at(-1);
        // Torn below the first commit of this life: the store is new.
        if (expected !== undefined)
          expect(recovered(torn, driver.now)).toEqual(settled(expected.state, driver.now));
      }
      await store.close();
    },
    LONG_MILLIS,
  );
});

/** Opens a copy and compares. */
async function expectRecovered(data: string, driver: Driver, now: number): Promise<void> {
  expect(recovered(data, now)).toEqual(settled(driver.committed, now));
}

function recovered(data: string, now: number): unknown {
  const store = open(data);
  try {
    const scheduler = new Scheduler({
      queen: 'a'.repeat(32),
      incarnation: 'f'.repeat(16),
      epoch: store.identity.epoch,
      name: 'queen',
      store: 'sqlite',
      isDurable: true,
      startedAt: now,
      formatTime: (at) => new Date(at).toISOString(),
      chance: () => 0.5,
    });
    const { append } = scheduler.recover(store.recover(), now);
    // Recovery itself decides nothing.
    expect(append).toEqual([]);
    for (const job of scheduler.state.jobs.values()) {
      for (const { seq, count } of job.results.values())
        expect(store.readResults(job.id, seq)?.page.count).toBe(count);
    }
    return settled(projection(scheduler.state), now);
  } finally {
    void store.close();
  }
}

/** A retry whose time came between the commit and now is not waited for any more. */
function settled(state: unknown, now: number): unknown {
  return JSON.parse(
    JSON.stringify(state, (key, value: unknown) =>
      key === 'failedTasks'
        ? (value as [number, number, number, number | null, string][]).map(([index, f, c, at, message]) => [
            index,
            f,
            c,
            at !== null && at <= now ? null : at,
            message,
          ])
        : value,
    ),
  );
}

test('why the values of a job could not be folded is known after a restart, until it is retried', async () => {
  const data = folder();
  const ended = { type: 'jobEnded', job: JOB, state: 'failed', message: 'no', at: START } as const;
  const failure = {
    index: 2,
    count: 3,
    outcome: 'failed',
    code: 'E',
    message: 'no',
    error: 'oqFhAQ==',
  } as const;
  const reopened = {
    type: 'jobReopened',
    job: JOB,
    failed: [],
    splits: [],
    cancelled: 0,
    at: START,
  } as const;
  const found: unknown[] = [];
  for (const records of [[submitted(JOB, 1), { ...ended, failure }], [reopened], []]) {
    const store = open(data);
    for (const record of store.recover()) if (record.type === 'jobRecovered') found.push(record.failure);
    store.keep(records);
    await store.commit();
    await store.close();
  }
  expect(found).toEqual([failure, null]);
});

describe('what a store knows of itself', () => {
  test('its identity stays, its epoch counts the openings that could read it', async () => {
    const data = folder();
    for (const epoch of [1, 2, 3]) {
      const store = open(data);
      expect(store.identity).toMatchObject({ queen: queen(), epoch });
      [...store.recover()];
      await store.close();
    }
    // Looked at, but not read: it does not count.
    for (let looks = 0; looks < 2; looks++) {
      const store = open(data);
      expect(store.identity.epoch).toBe(4);
      await store.close();
    }
  });

  test('time never goes back behind what it has seen, though the clock was set back an hour', async () => {
    const data = folder();
    const now = Date.now();
    const first = new SqliteStore({ data }, queen, now);
    [...first.recover()];
    const owner = peerId('c'.repeat(32));
    // The newest time need not be a job's.
    first.keep([{ type: 'droneJoined', drone: owner, name: 'late', at: now + 7_200_000 }]);
    await first.commit();
    const crashed = copyOfDisk(data);
    await first.close();
    const second = new SqliteStore({ data: crashed }, queen, now - 3_600_000);
    expect(second.identity.latest).toBeGreaterThanOrEqual(now + 7_200_000);
    [...second.recover()];
    await second.close();
    const third = new SqliteStore({ data: crashed }, queen, now - 3_600_000);
    expect(third.identity.latest).toBe(second.identity.latest);
    await third.close();
  });
});
