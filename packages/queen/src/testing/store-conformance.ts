/** What every store must do. Each implementation's test calls this with a way to open an empty one. */

import { type JobId, jobId, type Page, PageBuilder, peerId, sizeAt } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import type { Store } from '../store/store.ts';

const JOB = jobId('01890000-0000-7000-8000-0000000000aa');
const OTHER = jobId('01890000-0000-7000-8000-0000000000bb');

/** A page of `count` values: value i is the byte i repeated i % 4 times. */
function pageOf(first: number, count: number): Page {
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

export function storeConformance(name: string, open: () => Promise<Store>): void {
  const withStore = (body: (store: Store) => void | Promise<void>) => async () => {
    const store = await open();
    [...store.recover()];
    for (const [order, job] of [JOB, OTHER].entries()) {
      const spec = { kind: 'echo', encoding: 'raw', attached: false } as const;
      store.keep([
        { type: 'jobSubmitted', job, spec, owner: peerId('a'.repeat(32)), at: 0, order: order + 1 },
      ]);
    }
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
        store.keep([
          {
            type: 'resultsRecorded',
            job: JOB,
            seq: 1,
            page: pageOf(4, 3),
            failures,
            streams: [],
            drone: 'd',
            at: 0,
          },
        ]);
        store.keep([
          {
            type: 'resultsRecorded',
            job: OTHER,
            seq: 1,
            page: pageOf(0, 1),
            failures: [],
            streams: [],
            drone: 'd',
            at: 0,
          },
        ]);
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
        store.keep([
          {
            type: 'resultsRecorded',
            job: JOB,
            seq: 1,
            page: pageOf(0, 8),
            failures: [],
            streams: [],
            drone: 'd',
            at: 0,
          },
        ]);
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
  });
}
