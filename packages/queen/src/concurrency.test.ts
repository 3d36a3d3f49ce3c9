/** Functions that wait: a place gets as many tasks at once as it runs side by side, however long each takes. */
import { jobId } from '@hive/shared';
import { expect, test } from '@jest/globals';
import { Stage } from './testing/stage.ts';

const JOB = jobId('00000000-0000-7000-8000-000000000001');

/** Lengths of the leases that are handed out while each takes 100 ms, however many tasks it has. */
function leases(tasks: number, concurrency: number | undefined): number[] {
  const stage = new Stage();
  const owner = stage.client();
  stage.submit(owner, JOB, {
    range: { start: 0, step: 1, count: tasks },
    ...(concurrency === undefined ? {} : { concurrency }),
  });
  const drone = stage.drone({ slots: 2 });
  const lengths: number[] = [];
  for (let lease = stage.take('TaskAssign'); lease !== undefined; lease = stage.take('TaskAssign')) {
    const [first, count] = lease.ranges as [number, number];
    lengths.push(count);
    stage.advance(100);
    stage.say(drone, {
      type: 'TaskComplete',
      lease: lease.lease,
      at: 0,
      first,
      count,
      sizes: 1,
      data: new Uint8Array(count),
      busyMicros: 100_000,
      ended: true,
      request: true,
    });
  }
  expect(stage.outcomes(JOB)).toHaveLength(tasks);
  return lengths;
}

test.each([
  [200, 50, [50, 50, 50, 50]],
  [30, 50, [15, 15]],
  [3, 1_000, [2, 1]],
])('%i tasks, %i at once on each of two slots, are handed out as %j', (tasks, concurrency, expected) => {
  expect(leases(tasks, concurrency)).toEqual(expected);
});

test('tasks that run one at a time, and take long, are still handed out one by one', () => {
  expect(leases(4, undefined)).toEqual([1, 1, 1, 1]);
});
