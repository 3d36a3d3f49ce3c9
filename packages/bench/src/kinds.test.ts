import { expect, test } from '@jest/globals';
import { startCluster } from './cluster.ts';
import { kindsOf } from './command.ts';
import { echoBench } from './echo.ts';
import { printRatio, printReport } from './print.ts';
import { ratio, runBench } from './runs.ts';

const store = 'memory' as const;

test('sessions are secured unless plain ones are asked for, and only one thing is compared', () => {
  expect(kindsOf({ compare: false, tls: 'on', store })).toEqual([{ store, tls: true }]);
  expect(kindsOf({ compare: false, tls: 'off', store })).toEqual([{ store, tls: false }]);
  expect(kindsOf({ compare: false, tls: 'both', store })).toEqual([
    { store, tls: false },
    { store, tls: true },
  ]);
  expect(kindsOf({ compare: true, tls: 'on', store }).map((kind) => kind.store)).toEqual([
    'memory',
    'sqlite',
  ]);
  expect(() => kindsOf({ compare: true, tls: 'both', store })).toThrow(/Choose one/);
});

test('a report tells the truth about TLS, and two are put side by side', async () => {
  await using stack = new AsyncDisposableStack();
  const sizes = { drones: 1, slots: 1, runs: 1 };
  const clusters = [];
  for (const tls of [false, true]) clusters.push(stack.use(await startCluster({ ...sizes, store, tls })));
  const reports = await runBench(echoBench(1_000), clusters, sizes, () => {});
  const [plain, secured] = reports;
  expect([plain!.tls, secured!.tls]).toEqual([false, true]);
  expect(printReport(plain!)).toContain('TLS off');
  expect(printReport(secured!)).toContain('TLS on');
  expect(printRatio([plain!, secured!], ratio(secured!, plain!))).toMatch(
    /^echo: TLS has [\d.]+ % of the speed without/,
  );
});
