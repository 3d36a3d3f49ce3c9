/** Chaos on real processes for half a minute, with a seed of its own each time, which is printed. */
import { expect, test } from '@jest/globals';
import { printReport, runChaos } from './index.ts';

test('what was promised is kept, whoever is killed or frozen', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const report = await runChaos({ seed, minutes: 0.5 });
  process.stderr.write(`${printReport(report)}\n`);
  expect(report.problems).toEqual([]);
  expect(
    report.faults.queensKilled + report.faults.dronesKilled + report.faults.clientsKilled,
  ).toBeGreaterThan(3);
  expect(report.results).toBeGreaterThan(100);
}, 400_000);
