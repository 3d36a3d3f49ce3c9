/** docs/guide/http.md: every curl line on it runs as it stands (but for the port), and gives what the page shows. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Processes, Running } from './testing/processes.ts';

const ROOT = join(import.meta.dirname, '../../..');
const NODE = join(ROOT, 'node_modules/.bin/node');
const MAIN = join(import.meta.dirname, 'main.ts');
const MARK = '--- next block ---';

const processes = new Processes();
const { folder } = processes;
let port = '';
beforeAll(async () => {
  const queen = processes.hive(['queen', '--port', '0', '--name', 'my-queen']);
  await queen.saying(/listening on port (\d+)/);
  const drone = processes.hive(['drone', '--slots', '2', '--name', 'drone-0']);
  await drone.saying(/Connected to Queen/);
  const gateway = processes.hive(['gateway', '--api-port', '0']);
  [, port = ''] = await gateway.saying(/HTTP API is at http:\/\/localhost:(\d+)\/api\/v1/);
});
afterAll(() => processes.end());

interface Block {
  readonly shell: string;
  /** What the page shows after it, and in which language. */
  readonly shown: { readonly as: string; readonly text: string } | null;
}
function blocksOf(page: string): readonly Block[] {
  const fences = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, as, text]) => ({
    as: as!,
    text: text!,
  }));
  return fences.flatMap(({ as, text }, i) => {
    if (as !== 'sh') return [];
    const next = fences[i + 1];
    return [{ shell: text, shown: next !== undefined && ['json', 'text'].includes(next.as) ? next : null }];
  });
}

/** What differs from run to run has a name instead. */
const settled = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME')
    .replace(/"elapsed_seconds":\s*[\d.]+/g, '"elapsed_seconds":0');

test('the lines of the guide do what it says', async () => {
  const blocks = blocksOf(readFileSync(join(ROOT, 'docs/guide/http.md'), 'utf8'));
  const script = join(folder, 'guide.sh');
  writeFileSync(
    script,
    [
      'set -eo pipefail',
      // Says how each request was answered.
      `curl() { command curl -w '%{stderr}%{http_code} %{url_effective}\\n' "$@"; }`,
      `hive() { '${NODE}' '${MAIN}' "$@"; }`,
      ...blocks.map(
        ({ shell }) => `${shell.replaceAll('localhost:3000', `localhost:${port}`)}\necho; echo '${MARK}'`,
      ),
    ].join('\n'),
  );
  const child = spawn('bash', [script], {
    cwd: folder,
    env: { ...process.env, HIVE_DATA: join(folder, 'data') },
  });
  const running = new Running(child);
  expect({ code: await running.ended, said: String(running.stderr) }).toMatchObject({ code: 0 });

  const codes = [...String(running.stderr).matchAll(/^(\d{3}) http:\/\/localhost:\d+(\S*)/gm)].map(
    ([, code, path]) => [code, path],
  );
  expect(codes.length).toBeGreaterThan(25);
  const odd = codes.filter(([code]) => !code!.startsWith('2'));
  expect(odd).toEqual([['400', '/api/v1/jobs']]);

  const outputs = String(running.stdout).split(`${MARK}\n`);
  let compared = 0;
  for (const [i, { shown }] of blocks.entries()) {
    if (shown === null) continue;
    const output = outputs[i]!.trim();
    compared++;
    if (shown.as === 'text') expect(output).toBe(shown.text.trim());
    else expect(JSON.parse(settled(output.split('\n').at(-1)!))).toEqual(JSON.parse(settled(shown.text)));
  }
  expect(compared).toBe(5);
}, 180_000);

test('hive gateway ends at Ctrl-C', async () => {
  const gateway = processes.hive(['gateway', '--api-port', '0']);
  await gateway.saying(/You and root, on this machine, may use it without a key/);
  gateway.child.kill('SIGINT');
  expect(await gateway.ended).toBe(0);
});

test('hive gateway says what is wrong', async () => {
  const taken = processes.hive(['gateway', '--api-port', port]);
  expect(await taken.ended).toBe(1);
  expect(String(taken.stderr)).toMatch(/Port \d+ is taken\. Choose another with --api-port/);
  const lost = processes.hive(['gateway', '--api-port', '0', '--queen', '127.0.0.1:9']);
  expect(await lost.ended).toBe(1);
  expect(String(lost.stderr)).toMatch(/127\.0\.0\.1:9/);
});
