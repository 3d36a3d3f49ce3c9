import { expect, test } from '@jest/globals';
import { LIMITS } from './limits.ts';
import { redialDelay } from './redial.ts';

test('the waiting time doubles up to its cap; half of it is certain', () => {
  const certain = Array.from({ length: 9 }, (_, attempt) => redialDelay(attempt, 0));
  expect(certain).toEqual([50, 100, 200, 400, 800, 1_600, 2_500, 2_500, 2_500]);
  expect(redialDelay(0, 0.999)).toBeCloseTo(LIMITS.redialMillis, 0);
  expect(redialDelay(1e9, 0.999)).toBeLessThanOrEqual(LIMITS.redialMillisMax);
});
