/** What is answered is what PROTOCOL.md's section 11 says, entry by entry. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jobId, type Message } from '@hive/shared';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Setting } from './testing/setting.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const DOCUMENT = readFileSync(join(import.meta.dirname, '../../../docs/PROTOCOL.md'), 'utf8');
const SECTION = DOCUMENT.slice(DOCUMENT.indexOf('## 11.'));

/** The entries of each map in the document's second table; those that may be absent end in `?`. */
const MAPS = new Map<string, string[]>();
for (const [, map, entries] of SECTION.matchAll(/^\| (\w*) ?\| ((?:`\w+`\??(?:, )?)+) \|/gm)) {
  const name = map || [...MAPS.keys()].at(-1)!;
  const names = [...entries!.matchAll(/`(\w+)`(\??)/g)].map(([, entry, mark]) => `${entry}${mark}`);
  MAPS.set(name, [...(MAPS.get(name) ?? []), ...names]);
}

type Body = Record<string, unknown>;

let hive: Setting;
beforeEach(async () => {
  hive = new Setting('memory');
  await hive.start();
  hive.client.send({
    type: 'Submit',
    job: JOB,
    spec: { kind: 'echo', encoding: 'msgpack', attached: false, retries: 1, backoffMillis: 0 },
  });
  hive.client.send({ type: 'Append', job: JOB, first: 0, count: 1, sizes: 1, data: Uint8Array.of(1) });
  hive.client.send({ type: 'Seal', job: JOB, count: 1 });
});
afterEach(() => hive.dispose());

async function ask(about: Message<'Query'>['about'], more: Partial<Message<'Query'>> = {}): Promise<Body> {
  hive.client.send({ type: 'Query', request: 1, about, ...more });
  return (await hive.client.next('Answer')).body as Body;
}

function expectAsWritten(map: string, body: unknown): void {
  const written = MAPS.get(map)!;
  const said = Object.keys(body as Body);
  expect(written.length).toBeGreaterThan(3);
  const missing = written.filter((entry) => !entry.endsWith('?') && !said.includes(entry));
  const unwritten = said.filter((entry) => !written.includes(entry) && !written.includes(`${entry}?`));
  expect({ map, missing, unwritten }).toEqual({ map, missing: [], unwritten: [] });
}

test('every answer has the entries that PROTOCOL.md names, and no others', async () => {
  const { lease } = await hive.worker.next('TaskAssign');
  expectAsWritten('status', await ask('status'));
  const { drones } = (await ask('drones')) as { drones: Body[] };
  expectAsWritten('drone', drones[0]);
  expectAsWritten('job', await ask('job', { job: JOB }));
  expectAsWritten('task', await ask('task', { job: JOB, index: 0 }));
  expect(Object.keys(await ask('explain', { job: JOB }))).toEqual(['job', 'lines']);
  const failures = [{ index: 0, outcome: 'failed', message: 'no' } as const];
  hive.worker.send({
    type: 'TaskComplete',
    lease,
    at: 0,
    first: 0,
    count: 1,
    sizes: new Uint8Array(4),
    data: new Uint8Array(0),
    busyMicros: 10,
    failures,
    ended: true,
    request: true,
  });
  await hive.worker.next('TaskAssign');
  const story = await ask('task', { job: JOB, index: 0 });
  expectAsWritten('task', story);
  expectAsWritten('attempt', (story.attempts as Body[])[0]);
  hive.client.send({ type: 'Cancel', request: 2, job: JOB });
  expectAsWritten('job', (await hive.client.next('Answer')).body);
  const { jobs } = (await ask('jobs')) as { jobs: Body[] };
  expectAsWritten('job', jobs[0]);
});

test('explain counts as people do', async () => {
  await hive.worker.next('TaskAssign');
  const { lines } = (await ask('explain', { job: JOB })) as { lines: string[] };
  expect(lines).toEqual([
    'The job "echo" (kind echo) is running.',
    'Of 1 task: 0 succeeded, 0 failed, 1 with Drones, 0 ready, 0 waiting for a retry.',
    '1 slot fits it.',
    expect.stringMatching(/^Lease \d+ on test drone is running: 0 of 1 task reported\.$/),
  ]);
});
