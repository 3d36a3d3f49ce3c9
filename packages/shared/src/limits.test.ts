import { expect, test } from '@jest/globals';
import { encode } from './codec.ts';
import { LIMITS } from './limits.ts';
import { jobId, leaseNumber } from './units.ts';

test('every bound is a positive whole number', () => {
  for (const [name, value] of Object.entries(LIMITS)) {
    expect(`${name}: ${Number.isSafeInteger(value) && value > 0}`).toBe(`${name}: true`);
  }
});

test('the largest lease that may be given fits one frame', () => {
  const job = jobId('018f3c5e-7a10-7c3e-9f2b-3d5a60c41e77');
  const largest = encode({
    type: 'TaskAssign',
    lease: leaseNumber(Number.MAX_SAFE_INTEGER),
    job,
    ranges: new Array(LIMITS.leaseRangesMax * 2).fill(2 ** 50),
    sizes: new Uint8Array(LIMITS.leaseTasksMax * 4),
    data: new Uint8Array(LIMITS.leaseBytesMax + LIMITS.pageBytesMax),
    behind: leaseNumber(1),
  });
  expect(largest.length).toBeLessThan(LIMITS.frameBytesMax);
});

test('the largest page of results fits one frame, even if each of 1,000 failures has the longest text', () => {
  const text = 'x'.repeat(LIMITS.textMax);
  const largest = encode({
    type: 'TaskComplete',
    lease: leaseNumber(1),
    at: 0,
    first: 0,
    count: LIMITS.pageCountMax,
    sizes: new Uint8Array(LIMITS.pageCountMax * 4),
    data: new Uint8Array(LIMITS.pageBytesMax),
    failures: Array.from({ length: 1_000 }, (_, index) => ({ index, outcome: 'failed', message: text })),
    busyMicros: 0,
    display: text,
  });
  expect(largest.length).toBeLessThan(LIMITS.frameBytesMax);
});

test('a chunk, a page and the largest parameters fit below the hard bound of a send buffer many times', () => {
  for (const bytes of [LIMITS.chunkBytesMax, LIMITS.pageBytesMax, LIMITS.paramsBytesMax]) {
    expect(bytes * 10).toBeLessThan(LIMITS.sendBufferHard);
  }
});

test('what one place may leave unacknowledged is far more than one report', () => {
  expect(LIMITS.slotUnackedBytesMax).toBeGreaterThan(2 * LIMITS.pageBytesMax);
});
