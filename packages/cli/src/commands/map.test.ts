import { hash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Processes } from '../testing/processes.ts';

const processes = new Processes();
const { folder } = processes;
beforeAll(async () => {
  mkdirSync(join(folder, 'photos'));
  for (const name of ['b.jpg', 'a.jpg', 'c.png'])
    writeFileSync(join(folder, 'photos', name), `it is ${name}`);
  writeFileSync(join(folder, 'photos', 'big.jpg'), Buffer.alloc(3_000_000, 7));
  writeFileSync(join(folder, 'data.ndjson'), '{"a":1}\n\n[2,"x"]\n"three"\n');
  writeFileSync(join(folder, 'data.csv'), 'name,age\nAda,36\n"Bob, jr",7\n');
  writeFileSync(join(folder, 'words.txt'), 'queen\ndrone\n');
  await processes.startHive(2);
});
afterAll(() => processes.end());

interface Said {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}
async function map(args: readonly string[], input: string | null = null): Promise<Said> {
  const running = processes.hive(['map', ...args], { input: input ?? '' });
  const code = await running.ended;
  return { code, stdout: String(running.stdout), stderr: String(running.stderr) };
}
const fine = (...lines: string[]): Said => ({
  code: 0,
  stdout: lines.map((line) => `${line}\n`).join(''),
  stderr: '',
});

describe('hive map', () => {
  test('runs a task per record of files, read as their names tell', async () => {
    expect(await map(['--kind', 'echo', '-i', 'data.ndjson', '-i', 'data.csv', '-i', 'words.txt'])).toEqual(
      fine(
        '{"a":1}',
        '[2,"x"]',
        '"three"',
        '{"name":"Ada","age":"36"}',
        '{"name":"Bob, jr","age":"7"}',
        '"queen"',
        '"drone"',
      ),
    );
  });

  test('reads standard input, and its own output', async () => {
    const first = await map(['--kind', 'echo', '--format', 'lines'], 'one\ntwo\n');
    expect(first).toEqual(fine('"one"', '"two"'));
    expect(await map(['--kind', 'hash', '--indexed', '-'], first.stdout)).toEqual(
      fine(
        `{"index":0,"value":"${hash('sha256', 'one')}"}`,
        `{"index":1,"value":"${hash('sha256', 'two')}"}`,
      ),
    );
  });

  test('takes patterns, and whole files however large', async () => {
    const digests = ['a.jpg', 'b.jpg'].map((name) => `"${hash('sha256', `it is ${name}`)}"`);
    const big = `"${hash('sha256', Buffer.alloc(3_000_000, 7))}"`;
    expect(await map(['--kind', 'hash', '-f', 'contents', '-i', 'photos/*.jpg'])).toEqual(
      fine(digests[0]!, digests[1]!, big),
    );
    expect(await map(['--kind', 'echo', '-f', 'paths', 'photos/?.png'])).toEqual(
      fine(JSON.stringify(join(folder, 'photos/c.png'))),
    );
  });

  test('takes a range, without a cluster too', async () => {
    expect(await map(['--local', '--kind', 'echo', '--range', '3..1'])).toEqual(fine('3', '2', '1'));
  });

  test('folds all results into one', async () => {
    expect(await map(['--kind', 'echo', '--range', '1..1000', '--reduce', 'sum'])).toEqual(fine('500500'));
    expect(
      await map(['--kind', 'echo', '--reduce', 'top:2:age'], '{"age":1}\n{"age":3}\n{"age":2}\n'),
    ).toEqual(fine('[{"age":3},{"age":2}]'));
    const hopeless = await map(['--kind', 'echo', '--range', '1..1000000', '--reduce', 'concat']);
    expect(hopeless).toMatchObject({ code: 1, stdout: '' });
    expect(hopeless.stderr).toMatch(/failed: concat joins texts, lists or bytes, and the task gave a number/);
    expect(hopeless.stderr).toContain('it was halted after 1 of its tasks had failed');
    const failing = await map(['--kind', 'hash', '--retries', '0', '--reduce', 'count'], '"a"\n{}\n');
    expect(failing).toMatchObject({ code: 1, stdout: '' });
    expect(failing.stderr).toMatch(/^hive map: task 1 \(standard input, record 2\) failed: /m);
  });

  test('folds with a reducer of the task file', async () => {
    writeFileSync(
      join(processes.folder, 'letters.task.ts'),
      `import { reducer, task } from '@hive/client';
export default task((text: string) => new Map([...text].map((letter) => [letter, 1])));
export const merge = reducer((left: Map<string, number>, right: Map<string, number>) => {
  for (const [letter, count] of right) left.set(letter, (left.get(letter) ?? 0) + count);
  return left;
});
`,
    );
    const lines = '"ab"\n"b"\n"cab"\n';
    const value = '[["a",2],["b",3],["c",1]]';
    expect(await map(['letters.task.ts', '--reduce', '#merge'], lines)).toEqual(fine(value));
    expect(await map(['letters.task.ts', '--reduce', 'letters.task.ts'], lines)).toEqual(fine(value));
    const absent = await map(['letters.task.ts', '--reduce', '#sum'], lines);
    expect(absent).toMatchObject({ code: 1, stdout: '' });
    expect(absent.stderr).toContain('letters.task.ts exports no reducer "sum", only merge.');
    const plain = await map(['--kind', 'echo', '--reduce', 'letters.task.ts#merge'], lines);
    expect(plain.stderr).toContain('Only what functions give is folded with a reducer');
  });

  test('prints what finishes first, if order does not matter', async () => {
    const running = processes.hive(['map', '--kind', 'sleep', '--unordered', '--indexed'], {
      input: '600000\n0\n',
    });
    await running.saying(/^{"index":1,"value":0}\n/);
    running.child.kill('SIGINT');
    expect(await running.ended).toBe('SIGINT');
    expect(String(running.stdout)).toBe('{"index":1,"value":0}\n');
  });

  test('says of each task that fails where its input stands, and goes on', async () => {
    const { code, stdout, stderr } = await map([
      '--kind',
      'hash',
      '--retries',
      '0',
      '-i',
      'words.txt',
      '-i',
      'data.ndjson',
    ]);
    expect(code).toBe(1);
    expect(stdout.split('\n')).toEqual([
      `"${hash('sha256', 'queen')}"`,
      `"${hash('sha256', 'drone')}"`,
      `"${hash('sha256', 'three')}"`,
      '',
    ]);
    expect(stderr).toMatch(/^hive map: task 2 \(data\.ndjson, record 1\) failed: .+$/m);
    expect(stderr).toMatch(/^hive map: task 3 \(data\.ndjson, record 2\) failed: .+$/m);
    expect(stderr).toMatch(/^hive map: Job \S+ failed: 3 succeeded, 2 failed, in .+\.$/m);
  });
});

describe('hive map says in one sentence', () => {
  const cases: [what: string, args: string[], input: string, says: RegExp][] = [
    ['what is missing', ['-i', 'words.txt'], '', /Say what is to be done: /],
    [
      'that a file is not there',
      ['--kind', 'echo', 'nothing.csv'],
      '',
      /nothing\.csv: No such file or directory\./,
    ],
    ['that a pattern matches none', ['--kind', 'echo', '*.xml'], '', /No file matches \*\.xml\./],
    [
      'that it cannot guess',
      ['--kind', 'echo', 'photos/c.png'],
      '',
      /How is photos\/c\.png to be read\? Say --format/,
    ],
    ['which line is no JSON', ['--kind', 'echo'], '1\nx\n', /standard input:2: this is not JSON/],
    ['that a folder is none', ['--kind', 'echo', '-f', 'lines', 'photos'], '', /photos: Is a directory\./],
    [
      'that there is one source',
      ['--kind', 'echo', '--range', '1..2', 'words.txt'],
      '',
      /--range, or files, not both/,
    ],
    [
      'that --local is alone',
      ['--local', '--queen', 'a:1', '--kind', 'echo', 'words.txt'],
      '',
      /--local needs no Queen/,
    ],
  ];
  test.each(cases)('%s', async (_, args, input, says) => {
    const { code, stderr } = await map(args, input);
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('hive map with a task of one’s own', () => {
  const TASKS = join(import.meta.dirname, '../testing/tasks');
  const words = join(TASKS, 'words.task.ts');

  test('runs the function of a file, and says where it threw', async () => {
    const { code, stdout, stderr } = await map([words, '-f', 'lines', '--retries', '0'], 'queen\n\ndrone\n');
    expect(code).toBe(1);
    expect(stdout).toBe('{"word":"queen","letters":5}\n{"word":"drone","letters":5}\n');
    expect(stderr).toMatch(
      /^hive map: task 1 \(standard input, record 2\) failed: RangeError: there is no word \(\S*words\.task\.ts:\d+:\d+\)$/m,
    );
  });

  test('needs no cluster for it', async () => {
    expect(await map([words, '--local', '-f', 'lines'], 'bee\n')).toEqual(fine('{"word":"bee","letters":3}'));
  });

  test('prints last what a task has ended the job with, folded or not', async () => {
    const search = join(TASKS, 'values.task.ts#search');
    const all = await map([search, '--range', '1..1000']);
    expect(all.stdout.split('\n').slice(-2)).toEqual(['{"found":3}', '']);
    expect(all.stderr).toMatch(/^hive map: Job \S+ succeeded \(task 2 has ended it with its value\): /m);
    const folded = await map([search, '--range', '1..1000', '--reduce', 'count']);
    expect(folded).toMatchObject({ code: 0, stdout: '{"found":3}\n' });
  });

  test('runs the export that is named, with parameters', async () => {
    const said = await map([`${words}#repeated`, '-p', 'times=2', '-f', 'lines'], 'ab\n');
    expect(said).toEqual(fine('"abab"'));
  });

  test('lets it submit work itself, if it is told to', async () => {
    const submits = [join(TASKS, 'values.task.ts#submits'), '--range', '3..5'];
    expect(await map([...submits, '--nested'])).toEqual(fine('6', '12', '20'));
    const refused = await map([...submits, '--retries', '0']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/submit that with the option nested: true/);
    expect((await map(['--kind', 'echo', '--nested'], '1\n')).stderr).toMatch(
      /^hive: Only functions have the option "nested"/,
    );
  });

  const broken: [what: string, text: string, says: RegExp][] = [
    ['cannot be parsed', 'export default task((x) => x;\n', /cannot be bundled: \S*broken\.ts:1:\d+: /],
    ['exports no task', 'export const x = 1;\n', /^hive: broken\.ts exports no task\. Export one: /],
    ['imports what is not there', "import './gone.ts';\n", /Could not resolve "\.\/gone\.ts"/],
  ];
  test.each(broken)('says in one sentence that a file %s', async (_, text, says) => {
    writeFileSync(join(folder, 'broken.ts'), text);
    const { code, stdout, stderr } = await map(['broken.ts', '-f', 'lines'], 'a\nb\nc\n');
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({
      code: 1,
      stdout: '',
      lines: 1,
    });
    expect(stderr).toMatch(says);
  });

  test('says so when there is no such file, or it is none', async () => {
    expect((await map(['gone.ts'])).stderr).toBe('hive: There is no task file gone.ts.\n');
    expect((await map(['words.txt'])).stderr).toMatch(/^hive: words\.txt is no task file: /);
  });
});
