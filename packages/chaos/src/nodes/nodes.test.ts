/** Chaos with three nodes for a few seconds, with a seed of its own each time, which is printed. */
import { expect, test } from '@jest/globals';
import { printNodesReport, runNodesChaos } from './chaos.ts';

test('what nodes have acknowledged over HTTP is kept, whichever is killed, frozen or cut off', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const report = await runNodesChaos({ seed, minutes: 0.05 });
  process.stderr.write(`${printNodesReport(report)}\n`);
  expect(report.problems).toEqual([]);
  expect(report.faults.killed).toBeGreaterThan(0);
  expect(report.faults.frozen + report.faults.cutOff).toBeGreaterThan(1);
  expect(report.jobsAcknowledged).toBeGreaterThan(0);
}, 400_000);
