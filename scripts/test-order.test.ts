import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import LongestFirst, { longestLimit } from './test-order.ts';

const folder = mkdtempSync(join(tmpdir(), 'hive-order-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['const TEST_MILLIS = 180_000;', 180_000],
  ["test('a', async () => {\n}, 240_000);", 240_000],
  ["test(\n  'a',\n  async () => {},\n  60_000,\n);", 60_000],
  ['const LOOK_MILLIS = 5;\nconst TEST_MILLIS = 90_000;\nconst OTHER_MILLIS = 45_000;', 90_000],
  ['const LOOK_MILLIS = 5;\nconst inputs = [600_000];\nconst BYTES = 1_000_000;', 0],
])('of %j the longest limit is found', (source, millis) => {
  expect(longestLimit(source)).toBe(millis);
});

test('files with longer limits begin first, all others as Jest would have them', () => {
  const of = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return { path, context: { config: { id: 'x', cacheDirectory: folder, haste: {} } } };
  };
  const tests = [
    of('small.test.ts', ''),
    of('minute.test.ts', 'const TEST_MILLIS = 60_000;'),
    of('large.test.ts', '// '.repeat(500)),
    of('long.test.ts', 'const TEST_MILLIS = 240_000;'),
  ];
  const sizes = (path: string) => (path.includes('large') ? 1_500 : 0);
  for (const each of tests) Object.assign(each.context, { hasteFS: { getSize: sizes } });
  const options = { contexts: [], globalConfig: {} } as never;
  const sorted = new LongestFirst(options).sort(tests as never);
  const names = sorted.map(({ path }) => path.slice(folder.length + 1, -'.test.ts'.length));
  expect(names).toEqual(['long', 'minute', 'large', 'small']);
});
