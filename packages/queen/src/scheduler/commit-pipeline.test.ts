import { jobId, sessionNumber } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { CommitPipeline, type PipelineDoors } from './commit-pipeline.ts';
import type { Send, StoreRecord } from './types.ts';

const record = (n: number): StoreRecord => ({ type: 'jobSealed', job: jobId(String(n)) });
const send = (n: number): Send => ({ session: sessionNumber(n), message: { type: 'Heartbeat' } });

/** A store whose commits end when the test says so. */
class SlowStore implements PipelineDoors {
  readonly log: string[] = [];
  kept = 0;
  durable = 0;
  commits: { resolve: () => void; reject: (error: Error) => void }[] = [];
  failures = 0;
  keep(records: readonly StoreRecord[]): void {
    this.kept += records.length;
  }
  commit(): Promise<void> {
    const covers = this.kept;
    return new Promise((resolve, reject) => {
      this.commits.push({
        resolve: () => {
          this.durable = covers;
          resolve();
        },
        reject,
      });
    });
  }
  deliver(sends: readonly Send[]): void {
    for (const { session } of sends) this.log.push(`${session} at ${this.durable}`);
  }
  failed(): void {
    this.failures++;
  }
}
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the commit pipeline', () => {
  test('passes a turn without appends straight through', () => {
    const store = new SlowStore();
    const pipeline = new CommitPipeline(store);
    pipeline.push({ append: [], afterCommit: [send(1)] });
    pipeline.flush(0);
    expect(store.log).toEqual(['1 at 0']);
  });

  test('holds a send until everything appended before it is durable, one commit at a time', async () => {
    const store = new SlowStore();
    const pipeline = new CommitPipeline(store);
    pipeline.push({ append: [record(1)], afterCommit: [send(1)] });
    pipeline.flush(0);
    pipeline.push({ append: [record(2)], afterCommit: [send(2)] });
    pipeline.flush(0);
    // Nothing of its own to commit, but the append before it must be durable first.
    pipeline.push({ append: [], afterCommit: [send(3)] });
    pipeline.flush(0);
    expect([store.commits.length, store.log]).toEqual([1, []]);
    store.commits[0]!.resolve();
    await settle();
    expect([store.commits.length, store.log]).toEqual([2, ['1 at 1']]);
    store.commits[1]!.resolve();
    await settle();
    expect(store.log).toEqual(['1 at 1', '2 at 2', '3 at 2']);
    expect(pipeline.isIdle).toBe(true);
  });

  test('puts a commit off for a moment when nobody waits for it, and takes along what comes meanwhile', async () => {
    const store = new SlowStore();
    const pipeline = new CommitPipeline(store);
    const credit: Send = {
      session: sessionNumber(1),
      message: { type: 'InputCredit', job: jobId('1'), count: 1, bytes: 0 },
    };
    pipeline.push({ append: [record(1)], afterCommit: [credit] });
    pipeline.flush(10);
    expect([store.commits.length, pipeline.dueAt]).toEqual([0, 12]);
    pipeline.flush(11.9);
    expect(store.commits.length).toBe(0);
    pipeline.flush(12);
    expect([store.commits.length, pipeline.dueAt]).toEqual([1, null]);
    store.commits[0]!.resolve();
    await settle();
    pipeline.push({ append: [record(2)], afterCommit: [credit] });
    pipeline.flush(20);
    // Somebody waits for this one, so all of it goes at once.
    pipeline.push({ append: [record(3)], afterCommit: [send(2)] });
    pipeline.flush(20.1);
    store.commits[1]!.resolve();
    await settle();
    expect(store.log).toEqual(['1 at 1', '1 at 3', '2 at 3']);
  });

  test('keeps what failed and tries it again, and its sends stay held', async () => {
    const store = new SlowStore();
    const pipeline = new CommitPipeline(store);
    pipeline.push({ append: [record(1)], afterCommit: [send(1)] });
    pipeline.flush(0);
    store.commits[0]!.reject(new Error('the disk is full'));
    await settle();
    pipeline.push({ append: [record(2)], afterCommit: [send(2)] });
    pipeline.flush(0);
    expect([store.failures, store.log, store.commits.length]).toEqual([1, [], 1]);
    pipeline.retry();
    store.commits[1]!.resolve();
    await settle();
    store.commits[2]?.resolve();
    await settle();
    expect(store.log).toEqual(['1 at 2', '2 at 2']);
  });
});
