/** The README's snippets are the files in examples/, and those run as they stand. */
import { execFileSync, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskContext } from '@hive/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import epidemic from '../../../examples/sweep.task.ts';
import { Processes, Running } from './testing/processes.ts';

const ROOT = join(import.meta.dirname, '../../..');
const EXAMPLES = join(ROOT, 'examples');
const NODE = join(ROOT, 'node_modules/.bin/node');

const processes = new Processes();
const { folder } = processes;
beforeAll(async () => {
  await processes.startHive(1);
});
afterAll(() => processes.end());

async function run(example: string, ...args: string[]): Promise<string> {
  const child = spawn(NODE, [join(EXAMPLES, example), ...args], {
    env: { ...process.env, HIVE_DATA: join(folder, 'data') },
  });
  const running = new Running(child);
  expect({ code: await running.ended, stderr: String(running.stderr) }).toEqual({ code: 0, stderr: '' });
  return String(running.stdout);
}

describe('the examples', () => {
  test('call.ts gets one answer', async () => {
    expect(await run('call.ts')).toBe(`${hash('sha256', 'a string')}\n`);
  });

  test('local.ts needs no cluster', async () => {
    const digests = ['queen', 'drone', 'honey'].map((word) => `${hash('sha256', word)}\n`);
    expect(await run('local.ts')).toBe(digests.join(''));
  });

  test('primes.ts counts primes with a function of its own', async () => {
    expect(await run('primes.ts')).toBe('78498 primes below a million\n');
  });

  test('sweep.ts simulates every point of a grid, as CSV', async () => {
    const [head, ...rows] = (await run('sweep.ts', '6')).trim().split('\n');
    expect(head).toBe('contacts,daysIll,peak,peakDay,infected');
    const context = {} as TaskContext;
    const seeded = (contacts: number, daysIll: number) => ({
      contacts,
      daysIll,
      seed: contacts * 1_000 + daysIll,
    });
    for (let contacts = 1; contacts <= 6; contacts++) {
      for (let daysIll = 1; daysIll <= 6; daysIll++) {
        const here = await epidemic.run(seeded(contacts, daysIll), context);
        expect(rows.shift()).toBe(Object.values(here).join(','));
        expect(here.infected).toBeGreaterThanOrEqual(here.peak);
      }
    }
    expect(rows).toEqual([]);
  });

  test('map.ts gets all answers in order', async () => {
    const first = hash('sha256', 'number 0');
    expect(await run('map.ts')).toBe(`3 digests\nthe first is ${first}\n100000 digests\n`);
  });

  test('job.ts hashes texts, bytes and a file, and tells how it ended', async () => {
    const inputs = ['a string', new Uint8Array(1_000), readFileSync(process.execPath)];
    const digests = inputs.map((input, i) => `${i} ${hash('sha512', input)}\n`).join('');
    const output = await run('job.ts');
    expect(output).toContain(digests);
    expect(output).toMatch(/job [0-9a-f-]{36} succeeded: 3 of 3 tasks succeeded\n$/);
  });

  test('functions.ts runs the function of a file of its own, and catches what it throws', async () => {
    expect(await run('functions.ts')).toBe(
      [
        'bee has 100 pixels left',
        'hive has 200 pixels left',
        'queen has 300 pixels left',
        'RangeError E_EVERY every 0 pixels there is nothing true',
        '',
      ].join('\n'),
    );
  });

  test('detached.ts leaves a job to the Queen, and reads it', async () => {
    const last = hash('sha256', '999');
    expect(await run('detached.ts')).toMatch(
      new RegExp(`^submitted [0-9a-f-]{36}\n999 succeeded ${last}\nsucceeded\n$`),
    );
  });

  test('graph.ts hands results from parents to children', async () => {
    const output = await run('graph.ts');
    expect(output).toMatch(/^\[ 'knead', \[ 'flour' \], \[ 'water' \] \]\n/);
    expect(output).toContain('dough succeeded\nbread succeeded\n');
  });

  test('words.ts counts words as sort and uniq do', async () => {
    const texts = ['b a b\n', 'c, a! B?\n', 'zebra a\n', 'Zebra\n'];
    const books = join(folder, 'books');
    mkdirSync(books);
    for (const [i, text] of texts.entries()) writeFileSync(join(books, `${i}.txt`), text);
    const line = "cat *.txt | tr A-Z a-z | tr -cs a-z '\\n' | grep . | sort | uniq -c | awk '{print $1, $2}'";
    const expected = execFileSync('/bin/sh', ['-c', line], {
      cwd: books,
      env: { ...process.env, LC_ALL: 'C' },
    });
    expect(await run('words.ts', books)).toBe(String(expected));
  });

  test('nonce.ts finds the smallest proof of work there is', async () => {
    let nonce = 0;
    while (Number.parseInt(hash('sha256', `suite${nonce}`).slice(0, 3), 16) > 0) nonce++;
    expect(await run('nonce.ts', 'suite', '12')).toBe(`suite${nonce}\n`);
  });

  test('wire.ts speaks the protocol', async () => {
    expect(await run('wire.ts')).toMatch(/^[0-9a-f]+\n\{ type: 'TaskRequest', slots: 2 \}\n$/);
  });

  test('are quoted in README.md as they are', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const quoted = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
    const files = readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts'));
    const contents = files.map((name) => readFileSync(join(EXAMPLES, name), 'utf8'));
    expect(quoted.length).toBeGreaterThan(0);
    for (const code of quoted) expect(contents).toContain(code);
  });
});
