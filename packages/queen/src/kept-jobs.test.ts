/** How many ended jobs are kept: those that must stay for now do not keep those behind them from going. */
import { jobId, LIMITS, peerId } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const id = (n: number) => jobId(`01890000-0000-7000-8000-${String(n).padStart(12, '0')}`);
/** Behind the most that may be kept, so that some must go. */
const BEHIND = LIMITS.retainedJobsMax + 500;
/** Ended jobs go a few at a time, when there are so many too many. */
const SPARE = 32;

test.each([0, SPARE - 1, SPARE, 3 * SPARE])(
  'with %d at the front whose readers stand still, no more are kept than may be',
  (read) => {
    const stage = new Stage();
    const client = stage.client();
    const reader = stage.client(peerId('b'.repeat(32)));
    const drone = stage.drone();
    const give = (n: number, count: number) =>
      stage.say(client, {
        type: 'Submit',
        job: id(n),
        spec: { kind: 'echo', encoding: 'msgpack', attached: false },
        inputs: { count, sizes: 1, data: new Uint8Array(count) },
        follow: false,
      });
    for (let n = 1; n <= read; n++) {
      give(n, 1);
      stage.say(reader, { type: 'ResultCredit', job: id(n), bytes: 0, order: 'seq', after: 0 });
      stage.complete(drone, stage.take('TaskAssign')!);
    }
    expect(stage.state.ended.size).toBe(read);
    for (let n = 1; n <= BEHIND; n++) {
      give(read + n, 0);
      stage.said.length = 0;
    }
    expect(stage.state.ended.size).toBeLessThan(LIMITS.retainedJobsMax + 2 * SPARE);
    expect(stage.state.ended.size).toBe(stage.state.jobs.size);
    // Who reads still can; the oldest of the others went, the newest did not.
    for (let n = 1; n <= read; n++) expect(stage.state.jobs.has(id(n))).toBe(true);
    expect([read + 1, read + BEHIND].map((n) => stage.state.jobs.has(id(n)))).toEqual([false, true]);
  },
);
