import { jobId } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { formatCancelled } from './cancel.ts';

const counts = { appended: 20, succeeded: 2, failed: 0, running: 1 };
const before = { counts: { ...counts, cancelled: 3 } };
const after = (cancelled: number) => ({
  id: jobId('01890000-0000-7000-8000-000000000001'),
  state: 'running' as const,
  counts: { ...counts, cancelled },
});
const END = /Job 0189\S+ is running: 2 succeeded, \d+ cancelled, 1 running\.$/;

describe('cancelling tasks says', () => {
  test.each([
    [4, 1, 'Cancelled 1 task. '],
    [14, 11, 'Cancelled 11 tasks. '],
    [5, 3, 'Cancelled 2 of 3 tasks: one had ended before, or is not there. '],
    [3, 2, 'Cancelled nothing: the tasks had ended before, or are not there. '],
    [5, 4, 'Cancelled 2 of 4 tasks: 2 had ended before, or are not there. '],
    [3, 1, 'Cancelled nothing: the task had ended before, or is not there. '],
  ])('how many of them were: %d cancelled now, %d asked for', (now, asked, text) => {
    const said = formatCancelled(before, after(now), asked);
    expect(said.startsWith(text)).toBe(true);
    expect(said).toMatch(END);
  });
});
