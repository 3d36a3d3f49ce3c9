import { describe, expect, test } from '@jest/globals';
import { Check } from './check.ts';
import { drawPlan, type Plan } from './plan.ts';
import { Random } from './random.ts';
import { expectedOf, submissionOf, successesOf } from './work.ts';

const plans = (seed: number, count: number): Plan[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => drawPlan(random, 2));
};
const echoPlan = (count: number): Plan =>
  ({ ...plans(1, 1)[0]!, work: 'echo', count, size: 20, cancelAfterMillis: null }) as Plan;

describe('a plan', () => {
  test('is the same for the same seed, and has an id of its own', () => {
    expect(plans(7, 50)).toEqual(plans(7, 50));
    expect(new Set(plans(7, 50).map(({ id }) => id)).size).toBe(50);
    expect(plans(8, 1)).not.toEqual(plans(7, 1));
  });

  test('says what is right for every task', () => {
    for (const plan of plans(3, 60)) {
      const successes = Array.from({ length: Math.min(plan.count, 500) }, (_, i) => expectedOf(plan, i));
      if (plan.count <= 500)
        expect(successes.filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(successesOf(plan));
      expect(submissionOf(plan)).toMatchObject({ id: plan.id, attached: plan.isAttached });
    }
  });
});

describe('a check', () => {
  const summary = (plan: Plan, more: object = {}) => ({
    state: 'succeeded' as const,
    counts: { appended: plan.count, succeeded: plan.count, failed: 0, cancelled: 0, running: 0, ...more },
    elapsedMillis: 1,
  });
  const right = (plan: Plan, index: number) => ({ index, ...expectedOf(plan, index) }) as never;
  const checked = (indices: readonly number[], more: object = {}) => {
    const plan = echoPlan(3);
    const check = new Check(plan);
    for (const index of indices) check.take(right(plan, index), false);
    check.end(summary(plan, more), true);
    return check.problems;
  };

  test('is content with every result once', () => {
    expect(checked([2, 0, 1])).toEqual([]);
  });
  test('finds what is missing, what came twice and what was counted wrong', () => {
    expect(checked([0, 1])).toEqual(['2 of 3 results came; task 2 is missing']);
    expect(checked([0, 1, 1])).toEqual(['task 1 came twice']);
    expect(checked([0, 1, 2], { succeeded: 2 })).toEqual(['2 tasks succeeded, not 3']);
  });
  test('finds a wrong value, a wrong outcome and a cancellation that nobody asked for', () => {
    const plan = echoPlan(3);
    const check = new Check(plan);
    check.take({ index: 0, outcome: 'succeeded', value: 'wrong' }, true);
    check.take({ index: 1, outcome: 'failed', error: { message: 'why' } }, true);
    check.end({ ...summary(plan), state: 'cancelled' }, true);
    expect(check.problems).toMatchObject([
      expect.stringContaining('task 0 gave "wrong"'),
      expect.stringContaining('task 1 is failed (why), not succeeded'),
      'it was cancelled, and nobody had asked for that',
    ]);
  });
});
