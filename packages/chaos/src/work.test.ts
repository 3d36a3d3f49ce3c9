import { describe, expect, test } from '@jest/globals';
import { Check } from './check.ts';
import { composed, type Steps, stepsOf } from './folded.task.ts';
import { drawPlan, type Plan } from './plan.ts';
import { Random } from './random.ts';
import { expectedOf, inputOf, problemOfValue, submissionOf, successesOf } from './work.ts';

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

describe('the value of a job that is folded', () => {
  const plan = { ...plans(1, 1)[0]!, work: 'folded', seed: 5, count: 40, cancelAfterMillis: null } as Plan;
  const values = Array.from({ length: plan.count }, (_, index) =>
    stepsOf(inputOf(plan, index) as number, index),
  );
  const fresh = () => values.map((value) => ({ ...value, counts: new Map(value.counts) }));
  const fold = (all: readonly Steps[]) => all.reduce((left, right) => composed.run(left, right));

  test('is right however its neighbours are put together', () => {
    expect(problemOfValue(plan, fold(fresh()))).toBeNull();
    const [left, middle, right] = [fresh().slice(0, 9), fresh().slice(9, 31), fresh().slice(31)];
    expect(
      problemOfValue(plan, composed.run(fold(left), composed.run(fold(middle), fold(right)))),
    ).toBeNull();
  });

  test('is wrong when a task is missing, came twice or was overtaken', () => {
    expect(problemOfValue(plan, fold(fresh().slice(1)))).toContain('tasks 1 to 39, not 0 to 39');
    expect(() => fold([fresh()[0]!, fresh()[0]!])).toThrow('no neighbours');
    const [one, two, ...rest] = fresh() as [Steps, Steps, ...Steps[]];
    const swapped = fold([{ ...two, from: 0, to: 0 }, { ...one, from: 1, to: 1 }, ...rest]);
    expect(problemOfValue(plan, swapped)).toContain('not composed in their order');
    const doubled = fold(fresh());
    doubled.counts.set(3, doubled.counts.get(3)! + 1);
    expect(problemOfValue(plan, doubled)).toContain('of remainder 3');
    expect(problemOfValue(plan, undefined)).toBe('its value is undefined');
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
