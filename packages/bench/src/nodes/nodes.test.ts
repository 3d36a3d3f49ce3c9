import { expect, test } from '@jest/globals';
import { printNodes } from './command.ts';
import { compareNodes } from './compare.ts';

test('a mesh does the work of one Queen with as many Drones, and the report says how fast', async () => {
  const lines: string[] = [];
  const report = await compareNodes({ nodes: 2, slots: 1, tasks: 200, size: 1_024, runs: 1 }, (line) => {
    lines.push(line);
  });
  expect(lines).toHaveLength(1);
  expect(report.allNodes.median).toBeGreaterThan(0);
  expect(printNodes(report)).toMatch(/at all nodes +[\d,]+\/s median .*; [\d.]+ % \(/);
}, 180_000);
