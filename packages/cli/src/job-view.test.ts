import { describe, expect, test } from '@jest/globals';
import { formatProgress } from './job-view.ts';

const counts = { appended: 2_000, succeeded: 739, failed: 1, cancelled: 1_260, running: 0 };

describe('how far a job is', () => {
  test('counts what has an outcome while it goes on', () => {
    const now = { ...counts, cancelled: 10 };
    expect(formatProgress({ state: 'running', sealed: true, counts: now })).toBe('750/2,000 (37 %)');
    expect(formatProgress({ state: 'running', sealed: false, counts: now })).toBe('750/2,000+');
  });

  test('is where it was when it was cancelled, or failed before its time', () => {
    expect(formatProgress({ state: 'cancelled', sealed: true, counts })).toBe(
      '740/2,000 (cancelled at 37 %)',
    );
    expect(formatProgress({ state: 'cancelled', sealed: false, counts })).toBe('740/2,000');
    expect(formatProgress({ state: 'failed', sealed: true, counts })).toBe('740/2,000 (37 %)');
  });

  test('is all of it when it succeeded', () => {
    const all = { appended: 2, succeeded: 1, failed: 0, cancelled: 1, running: 0 };
    expect(formatProgress({ state: 'succeeded', sealed: true, counts: all })).toBe('2/2 (100 %)');
  });
});
