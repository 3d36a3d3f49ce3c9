import { describe, expect, test } from '@jest/globals';
import { announceMillisOf, durationOf, positiveDurationOf } from './options.ts';

describe('a length of time on the command line', () => {
  test('has a unit, or is in seconds', () => {
    expect(['30', '30s', '1.5', '500ms', '2h'].map((text) => durationOf('--x', text))).toEqual([
      30_000, 30_000, 1_500, 500, 7_200_000,
    ]);
    expect(() => durationOf('--x', 'soon')).toThrow(/--x: "soon" is not a length of time/);
    expect(() => positiveDurationOf('--x', '0')).toThrow('--x takes a length of time such as 30s');
  });

  test('between two announcements is HEARTBEAT_INTERVAL, within bounds', () => {
    expect(announceMillisOf({})).toBe(5_000);
    expect(announceMillisOf({ HEARTBEAT_INTERVAL: '250ms' })).toBe(250);
    expect(announceMillisOf({ HEARTBEAT_INTERVAL: '7' })).toBe(7_000);
    for (const text of ['1ms', '2h']) {
      expect(() => announceMillisOf({ HEARTBEAT_INTERVAL: text })).toThrow(/takes 100ms to 1h, such as 5s/);
    }
  });
});
