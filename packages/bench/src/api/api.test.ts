/** `hive bench api` measures what it says, at a small scale. */
import { expect, test } from '@jest/globals';
import { measureApi, printApi } from './command.ts';

test('the API is measured, and every result looked at', async () => {
  const said: string[] = [];
  const report = await measureApi(
    { connections: 4, requests: 40, jobs: 20, lines: 2_000, runs: 1, store: 'memory' },
    (line) => said.push(line),
  );
  expect(said.length).toBe(3);
  for (const { perSecond, latencyMillis } of [report.health, report.submissions]) {
    expect(perSecond.median).toBeGreaterThan(0);
    expect(latencyMillis.p99).toBeGreaterThanOrEqual(latencyMillis.p50);
  }
  expect(report.ndjson.perSecond.median).toBeGreaterThan(0);
  expect(report.ndjson.gatewayPeakBytes).toBeGreaterThan(0);
  expect(printApi(report)).toMatch(/submissions .*each durable when it is answered/);
});
