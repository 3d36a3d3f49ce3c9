import type { StoreRecord } from '@hive/queen';
import { jobId } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { Random } from './random.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

const job = jobId('018f3c5e-7a10-7c3e-9f2b-3d5a60c41e77');
const records = (...marks: number[]): StoreRecord[] =>
  marks.map((mark) => ({ type: 'leasesMarked', job, mark }));

describe('after a crash', () => {
  test('a synced transaction is there, and one that was torn is there whole or not at all', () => {
    const found = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const log = new WriteAheadLog();
      log.write(records(1, 2));
      log.sync();
      log.write(records(3, 4, 5));
      log.tear(new Random(seed));
      const left = log.recover();
      expect([records(1, 2), records(1, 2, 3, 4, 5)]).toContainEqual(left);
      expect(log.durable).toBe(left.length);
      found.add(left.length);
    }
    expect([...found].sort()).toEqual([2, 5]);
  });

  test('a transaction that failed to be synced leaves nothing behind the one that replaces it', () => {
    const log = new WriteAheadLog();
    log.write(records(1, 2, 3));
    log.write(records(1));
    log.sync();
    expect(log.recover()).toEqual(records(1));
  });
});
