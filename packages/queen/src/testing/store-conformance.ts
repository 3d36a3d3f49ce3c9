/** What every store must do. Each implementation's test calls this with a way to open an empty one. */

import {
  type Failure,
  type JobId,
  jobId,
  type Page,
  PageBuilder,
  peerId,
  type Spec,
  sizeAt,
} from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import type { StoreRecord } from '../scheduler/index.ts';
import type { Store } from '../store/store.ts';

export const JOB = jobId('01890000-0000-7000-8000-0000000000aa');
export const OTHER = jobId('01890000-0000-7000-8000-0000000000bb');

/** A page of `count` values: value i is the byte i repeated i % 4 times. */
export function pageOf(first: number, count: number): Page {
  const builder = new PageBuilder(first);
  for (let i = first; i < first + count; i++) builder.push(new Uint8Array(i % 4).fill(i));
  return builder.take();
}
function values({ sizes, data }: Pick<Page, 'sizes' | 'data'>, count: number): number[][] {
  const all: number[][] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const size = sizeAt({ sizes }, i);
    all.push([...data.subarray(at, at + size)]);
    at += size;
  }
  expect(at).toBe(data.length);
  return all;
}
const value = (i: number) => Array.from({ length: i % 4 }, () => i % 256);

/** A recorded page of results. */
export function recorded(
  job: JobId,
  seq: number,
  page: Page,
  more: Partial<Extract<StoreRecord, { type: 'resultsRecorded' }>> = {},
): StoreRecord {
  return { type: 'resultsRecorded', job, seq, page, failures: [], streams: [], drone: 'd', at: 0, ...more };
}
export function submitted(job: JobId, order: number, spec: Partial<Spec> = {}): StoreRecord {
  const owner = peerId('a'.repeat(32));
  const whole: Spec = { kind: 'echo', encoding: 'raw', attached: false, ...spec };
  return { type: 'jobSubmitted', job, spec: whole, owner, at: 0, order };
}

export function storeConformance(name: string, open: () => Promise<Store>): void {
  const withStore = (body: (store: Store) => void | Promise<void>) => async () => {
    const store = await open();
    [...store.recover()];
    store.keep([submitted(JOB, 1), submitted(OTHER, 2)]);
    try {
      await body(store);
    } finally {
      await store.close();
    }
  };
  const appendInputs = (store: Store, job: JobId, sizes: readonly number[]) => {
    let first = 0;
    for (const count of sizes) {
      store.keep([{ type: 'inputsAppended', job, page: pageOf(first, count), streams: [] }]);
      first += count;
    }
  };

  describe(name, () => {
    test(
      'reads inputs across pages, and several ranges end to end, before they are durable',
      withStore((store) => {
        appendInputs(store, JOB, [3, 4, 5]);
        expect(values(store.readInputs({ job: JOB, ranges: [1, 8], pages: [0, 3, 7] }), 8)).toEqual(
          [1, 2, 3, 4, 5, 6, 7, 8].map(value),
        );
        expect(values(store.readInputs({ job: JOB, ranges: [9, 2, 0, 1], pages: [7, 0] }), 3)).toEqual(
          [9, 10, 0].map(value),
        );
      }),
    );

    test(
      'drops input pages in any order and keeps the others',
      withStore((store) => {
        appendInputs(
          store,
          JOB,
          Array.from({ length: 200 }, () => 2),
        );
        const before = store.heldBytes;
        for (const first of [4, 0, 2]) store.keep([{ type: 'inputsDropped', job: JOB, first, count: 2 }]);
        for (let first = 8; first < 390; first += 2) {
          store.keep([{ type: 'inputsDropped', job: JOB, first, count: 2 }]);
        }
        expect(store.heldBytes).toBeLessThan(before / 10);
        expect(values(store.readInputs({ job: JOB, ranges: [6, 2], pages: [6] }), 2)).toEqual(
          [6, 7].map(value),
        );
        expect(
          values(store.readInputs({ job: JOB, ranges: [391, 9], pages: [390, 392, 394, 396, 398] }), 9),
        ).toEqual([391, 392, 393, 394, 395, 396, 397, 398, 399].map(value));
      }),
    );

    test(
      'reads results by seq until they are dropped',
      withStore(async (store) => {
        const failures = [{ index: 5, outcome: 'failed' as const, message: 'no' }];
        store.keep([recorded(JOB, 1, pageOf(4, 3), { failures })]);
        store.keep([recorded(OTHER, 1, pageOf(0, 1))]);
        await store.commit();
        const read = store.readResults(JOB, 1)!;
        expect(values(read.page, 3)).toEqual([4, 5, 6].map(value));
        expect([read.page.first, read.page.count, read.failures]).toEqual([4, 3, failures]);
        store.keep([{ type: 'resultsDropped', job: JOB, seqs: [1], recordedBelow: 0 }]);
        await store.commit();
        expect(store.readResults(JOB, 1)).toBeUndefined();
        expect(store.readResults(OTHER, 1)).toBeDefined();
      }),
    );

    test(
      'holds nothing of a job that was removed',
      withStore((store) => {
        appendInputs(store, JOB, [8]);
        store.keep([recorded(JOB, 1, pageOf(0, 8))]);
        store.keep([{ type: 'jobRemoved', job: JOB }]);
        expect([store.heldBytes, store.readResults(JOB, 1)]).toEqual([0, undefined]);
      }),
    );

    test(
      'keeps no receive buffer alive for a small page',
      withStore((store) => {
        const buffer = new Uint8Array(1_000_000);
        const page = { first: 0, count: 1, sizes: 3, data: buffer.subarray(10, 13) };
        store.keep([{ type: 'inputsAppended', job: JOB, page, streams: [] }]);
        expect(
          store.readInputs({ job: JOB, ranges: [0, 1], pages: [0] }).data.buffer.byteLength,
        ).toBeLessThan(1_000);
      }),
    );

    test(
      'gives back what was kept with a page: failures, streams, who and when',
      withStore(async (store) => {
        const failures: Failure[] = [
          { index: 1, outcome: 'timedOut', code: 'c', message: 'ä', retryable: false },
        ];
        const streams = [{ index: 0, bytes: 2 ** 40 }];
        const page = { first: 0, count: 2, sizes: 0, data: new Uint8Array(0) };
        store.keep([
          recorded(JOB, 7, page, { failures, streams, drone: null, millis: 2.5, at: 1_700_000_000_123 }),
        ]);
        for (const _ of ['kept', 'durable']) {
          expect(store.readResults(JOB, 7)).toEqual({
            page: { first: 0, count: 2, sizes: 0, data: expect.objectContaining({ length: 0 }) },
            failures,
            streams,
            drone: null,
            millis: 2.5,
            at: 1_700_000_000_123,
          });
          await store.commit();
        }
      }),
    );

    test(
      'tells the failed attempts of a task, oldest first, before and after they are durable',
      withStore(async (store) => {
        const attempt = (index: number, message: string, at: number): StoreRecord => ({
          type: 'attemptFailed',
          job: JOB,
          failure: { index, outcome: 'failed', message },
          drone: 'd',
          ...(index === 4 ? {} : { millis: at / 4 }),
          at,
          retryAt: at + 5,
        });
        store.keep([attempt(3, 'one', 10), attempt(4, 'other', 11)]);
        const under = store.commit();
        store.keep([attempt(3, 'two', 12)]);
        const expected = [
          { outcome: 'failed', code: null, message: 'one', drone: 'd', millis: 2.5, at: 10 },
          { outcome: 'failed', code: null, message: 'two', drone: 'd', millis: 3, at: 12 },
        ];
        expect(store.readAttempts(JOB, 3)).toEqual(expected);
        await under;
        await store.commit();
        expect(store.readAttempts(JOB, 3)).toEqual(expected);
        expect(store.readAttempts(OTHER, 3)).toEqual([]);
      }),
    );

    test(
      'puts a folded page in the place of those that it was made of, at once and for good',
      withStore(async (store) => {
        const one = (first: number, count: number, byte = 1): Page => ({
          first,
          count,
          sizes: 2,
          data: new Uint8Array(2).fill(byte),
        });
        store.keep([
          recorded(JOB, 1, one(0, 1_000), { reduced: true }),
          recorded(JOB, 2, one(1_000, 5), { reduced: true }),
          recorded(JOB, 3, one(1_005, 5), { reduced: true }),
        ]);
        await store.commit();
        const page = one(0, 1_005, 9);
        store.keep([
          { type: 'pagesFolded', job: JOB, seq: 4, seqs: [1, 2], page, drone: 'f', millis: 3, at: 50 },
        ]);
        for (const _ of ['kept', 'durable']) {
          const { page: read, drone, millis, at } = store.readResults(JOB, 4)!;
          expect([read.first, read.count, [...read.data], drone, millis, at]).toEqual([
            0,
            1_005,
            [9, 9],
            'f',
            3,
            50,
          ]);
          expect(store.readResults(JOB, 3)!.page.count).toBe(5);
          await store.commit();
        }
        expect([1, 2].map((seq) => store.readResults(JOB, seq))).toEqual([undefined, undefined]);
        store.keep([{ type: 'jobEnded', job: JOB, state: 'succeeded', message: null, value: 4, at: 60 }]);
        await store.commit();
        store.keep([{ type: 'jobRemoved', job: JOB }]);
        expect(store.heldBytes).toBe(0);
      }),
    );

    test(
      'cuts pages of a reopened job around what is to run again',
      withStore(async (store) => {
        store.keep([
          recorded(JOB, 1, pageOf(0, 4), { failures: [{ index: 1, outcome: 'failed', message: '' }] }),
        ]);
        await store.commit();
        const parts = [
          { seq: 2, first: 0, count: 1 },
          { seq: 3, first: 2, count: 2 },
        ];
        store.keep([
          {
            type: 'jobReopened',
            job: JOB,
            failed: [[1, 2]],
            splits: [{ seq: 1, parts }],
            cancelled: 0,
            at: 1,
          },
        ]);
        for (const _ of ['kept', 'durable']) {
          expect(values(store.readResults(JOB, 2)!.page, 1)).toEqual([value(0)]);
          expect(values(store.readResults(JOB, 3)!.page, 2)).toEqual([2, 3].map(value));
          expect(store.readResults(JOB, 3)!.failures).toEqual([]);
          await store.commit();
        }
        expect(store.readResults(JOB, 1)).toBeUndefined();
      }),
    );

    test(
      'keeps the inputs of an ended job for a retry, unless it ends with its client',
      withStore(async (store) => {
        const attached = jobId('01890000-0000-7000-8000-0000000000cc');
        store.keep([submitted(attached, 3, { attached: true })]);
        appendInputs(store, attached, [5]);
        appendInputs(store, JOB, [5]);
        await store.commit();
        for (const job of [attached, JOB])
          store.keep([{ type: 'jobEnded', job, state: 'cancelled', message: null, at: 5 }]);
        await store.commit();
        expect(values(store.readInputs({ job: JOB, ranges: [0, 5], pages: [0] }), 5)).toHaveLength(5);
        store.keep([{ type: 'inputsDropped', job: JOB, first: 0, count: 5 }]);
        expect(store.heldBytes).toBe(0);
      }),
    );

    test(
      'a job that was removed can come back under its id, and finds nothing of its own',
      withStore(async (store) => {
        appendInputs(store, JOB, [5]);
        store.keep([recorded(JOB, 1, pageOf(0, 5))]);
        await store.commit();
        store.keep([{ type: 'jobRemoved', job: JOB }, submitted(JOB, 3)]);
        expect(store.readResults(JOB, 1)).toBeUndefined();
        await store.commit();
        expect(store.readResults(JOB, 1)).toBeUndefined();
        appendInputs(store, JOB, [2]);
        store.keep([recorded(JOB, 1, pageOf(0, 2))]);
        await store.commit();
        expect(values(store.readInputs({ job: JOB, ranges: [0, 2], pages: [0] }), 2)).toEqual(
          [0, 1].map(value),
        );
        expect(store.readResults(JOB, 1)!.page.count).toBe(2);
      }),
    );

    test(
      'commits in the order of keeping, whatever the sizes, and what comes during a commit with the next',
      withStore(async (store) => {
        const commits: Promise<void>[] = [];
        let first = 0;
        for (const count of [1, 3_000, 2, 20_000, 1, 1]) {
          store.keep([{ type: 'inputsAppended', job: JOB, page: pageOf(first, count), streams: [] }]);
          first += count;
          const durable = store.commit();
          if (durable !== null) commits.push(durable);
        }
        await Promise.all(commits);
        expect(await store.commit()).toBeNull();
        expect(
          values(store.readInputs({ job: JOB, ranges: [23_002, 3], pages: [3_003, 23_003, 23_004] }), 3),
        ).toEqual([23_002, 23_003, 23_004].map(value));
      }),
    );

    test(
      'takes the largest page there is, and values that are all empty',
      withStore(async (store) => {
        const large = { first: 0, count: 2, sizes: 2 ** 19, data: new Uint8Array(2 ** 20).fill(7) };
        const empty = { first: 2, count: 131_072, sizes: 0, data: new Uint8Array(0) };
        store.keep([
          { type: 'inputsAppended', job: JOB, page: large, streams: [] },
          { type: 'inputsAppended', job: JOB, page: empty, streams: [] },
        ]);
        await store.commit();
        const read = store.readInputs({ job: JOB, ranges: [1, 3], pages: [0, 2] });
        expect([sizeAt(read, 0), sizeAt(read, 1), sizeAt(read, 2), read.data.length]).toEqual([
          2 ** 19,
          0,
          0,
          2 ** 19,
        ]);
      }),
    );

    test(
      'takes a revoked key, also twice, beside everything else',
      withStore(async (store) => {
        appendInputs(store, JOB, [3]);
        for (const at of [1, 2]) store.keep([{ type: 'keyRevoked', keyId: 'abc', at }]);
        await store.commit();
        store.keep([{ type: 'keyRevoked', keyId: 'abc', at: 3 }]);
        await store.commit();
        expect(values(store.readInputs({ job: JOB, ranges: [0, 3], pages: [0] }), 3)).toHaveLength(3);
      }),
    );

    test(
      'closes while a commit is under way',
      withStore((store) => {
        appendInputs(
          store,
          JOB,
          Array.from({ length: 400 }, () => 100),
        );
        void store.commit();
        appendInputs(store, OTHER, [1]);
        void store.commit();
      }),
    );
  });
}
