/** `DEBUG` shows what docs/guide/debugging.md says, and nothing unless it is asked for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Processes } from './testing/processes.ts';

const GUIDE = join(import.meta.dirname, '../../../docs/guide/debugging.md');
const DOCUMENTED = [...readFileSync(GUIDE, 'utf8').matchAll(/^\| `(hive:[a-z:]+)` \|/gm)].map(
  ([, name]) => name!,
);

const processes = new Processes();
afterAll(() => processes.end());

/** A Queen, a Drone and a job; resolves with all that they said on standard error. */
async function hashOnce(env: NodeJS.ProcessEnv): Promise<string> {
  const queen = processes.hive(['queen', '--port', '0'], { env });
  await queen.saying(/listening on port \d+/);
  const drone = processes.hive(['drone', '--slots', '1'], { env });
  await drone.saying(/Connected to Queen/);
  const job = processes.hive(['hash', '--range', '1..100'], { env });
  expect(await job.ended).toBe(0);
  expect(String(job.stdout).split('\n').length).toBe(101);
  await queen.saying(/🏁/);
  for (const running of [drone, queen]) {
    running.child.kill('SIGTERM');
    await running.ended;
  }
  return [queen, drone, job].map(({ stderr }) => String(stderr)).join('');
}

test('every namespace that is documented shows something, and no other', async () => {
  const said = await hashOnce({ DEBUG: 'hive:*' });
  const shown = [...said.matchAll(/\b(hive:[a-z:]+)\b/g)].map(([, name]) => name!);
  expect([...new Set(shown)].sort()).toEqual([...DOCUMENTED].sort());
  expect(said).toMatch(/hive:queen:lease \d+ given to session \d+: \d+ tasks of job/);
  expect(said).toMatch(/hive:queen:commit \d+ records in [\d.]+ ms/);
  expect(said).toMatch(/hive:drone:message session 1 -> TaskAssign lease=/);
  expect(said).toMatch(/hive:drone:slot 0: run \d+ reports \d+ tasks from position/);
  expect(said).toMatch(/hive:client:message -> JobDone job=/);
  expect(said).toMatch(/hive:cli the Queen is at 127\.0\.0\.1:\d+, as she left in /);
});

test('without DEBUG nothing is shown', async () => {
  const { DEBUG: _, ...env } = process.env;
  expect(await hashOnce({ ...env, DEBUG: undefined })).toBe('');
});
