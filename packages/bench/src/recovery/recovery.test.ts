import { expect, test } from '@jest/globals';
import { measureRecovery } from './command.ts';
import { printRecovery } from './print.ts';

test('recovery is measured, small', async () => {
  const report = await measureRecovery(
    {
      jobs: 50,
      tasks: 5_000,
      historyBytes: 3 * 1024 ** 2,
      memoryJobs: 100,
      memoryTasks: 10_000,
      submissions: 200,
      runs: 1,
      only: ['restart', 'memory', 'killed', 'survivors'],
    },
    () => {},
  );
  expect(report).toMatchObject({
    store: 'sqlite',
    storeSettings: 'WAL, synchronous=FULL',
    restart: { historyJobs: 3, restarts: [{ taskMillis: expect.any(Number) }] },
    memory: { failed: 200, peakBytes: expect.any(Number) },
    killed: { millis: [expect.any(Number)] },
    survivors: { submissions: 200, survivors: 200 },
  });
  expect(printRecovery(report)).toContain('200 of 200 submissions that were acknowledged');
});
