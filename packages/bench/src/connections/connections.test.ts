import { expect, test } from '@jest/globals';
import { measureConnections, printConnections } from './command.ts';

test('sessions are made, held and made again after kill -9, with keys and without', async () => {
  for (const tls of [true, false]) {
    const report = await measureConnections({ drones: 40, idleSeconds: 1, tls }, () => {});
    expect(report).toMatchObject({ drones: 40, tls, lost: 0, backSeconds: expect.any(Number) });
    expect(report.residentBytes).toBeGreaterThan(0);
    expect(printConnections(report)).toContain("40 Drones' sessions");
  }
});
