import { expect, test } from '@jest/globals';
import { leaseNumber } from '../units.ts';
import { describeMessage } from './message-text.ts';

test('a message on one line says how much there is of what is long', () => {
  const text = describeMessage({
    type: 'TaskComplete',
    lease: leaseNumber(5),
    at: 0,
    first: 7,
    count: 2,
    sizes: new Uint8Array(8),
    data: new Uint8Array(1_000),
    busyMicros: 3,
    failures: [{ index: 7, outcome: 'failed', message: 'no' }],
    display: 'x'.repeat(100),
  });
  const cut = `"${'x'.repeat(79)}…"`;
  expect(text).toBe(
    `TaskComplete lease=5 at=0 first=7 count=2 sizes=8 bytes data=1000 bytes busyMicros=3 failures=1 entries display=${cut}`,
  );
  expect(describeMessage({ type: 'ResultAck', leases: [leaseNumber(1), 2] })).toBe('ResultAck leases=[1 2]');
});
