/** Results folded with a function of the user's, through a real Queen and real Drones. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from '../connect.ts';
import { TaskError } from '../errors.ts';
import type { Hive } from '../hive.ts';
import * as tasks from '../testing/tasks/folded.task.ts';
import { count, rejection } from '../testing/with-fake.ts';
import { registeredReducer } from './reducer.ts';

const FILE = new URL('../testing/tasks/folded.task.ts', import.meta.url).href;
const LINES = [...count(2_000)].map((n) => `w${n % 7} w${(n * n) % 11} both`);
let hive: Hive;
beforeAll(async () => {
  hive = await connect({ local: { drones: 2, slots: 2 } });
});
afterAll(() => hive.close());

/** The same, in a loop. */
function counted(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of lines.flatMap((line) => line.split(' '))) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

describe('a reducer', () => {
  test('makes one Map of the Maps that its tasks give, and brings its type', async () => {
    const found = await hive.map(tasks.words, LINES, { reduce: tasks.merge });
    // Compiles because the type is known.
    const both: number | undefined = found?.get('both');
    expect(found).toEqual(counted(LINES));
    expect(both).toBe(LINES.length);
  });

  test('folds neighbours in their order, also where tasks overtake one another', async () => {
    const numbers = [...count(20_000)];
    expect(await hive.map(tasks.listed, numbers, { reduce: tasks.joined })).toEqual(numbers);
    expect(await hive.range(0, 300, tasks.waits, { reduce: tasks.joined })).toEqual([...count(300)]);
  });

  test('is named by its file, or by its export in the file of the task', async () => {
    const numbers = [...count(50)];
    const map = (reduce: `${string}#${string}`) => hive.map(`${FILE}#listed`, numbers, { reduce });
    expect(await map(`${FILE}#joined`)).toEqual(numbers);
    expect(await map('#joined')).toEqual(numbers);
    expect(await hive.map(FILE.concat('#listed'), numbers, { reduce: tasks.joined })).toEqual(numbers);
    expect((await rejection(map('#absent').value())).message).toContain('exports no reducer "absent", only');
  });

  test('may stand in another file than the task', async () => {
    const numbers = [...count(200)];
    const { default: other } = await import('../testing/tasks/other.task.ts');
    expect(await hive.map(tasks.listed, numbers, { reduce: other as typeof tasks.joined })).toEqual(numbers);
    const path = `${new URL('../testing/tasks/other.task.ts', import.meta.url).href}#default` as const;
    expect(await hive.map(tasks.listed, numbers, { reduce: path })).toEqual(numbers);
  });

  test('folds what its task gives, and TypeScript says if it does not', async () => {
    // @ts-expect-error: the task gives lists of numbers, not counts
    const wrong = hive.map(tasks.listed, [1], { reduce: tasks.merge });
    expect(await (wrong as unknown as PromiseLike<unknown>)).toEqual([1]);
  });

  test('is given values of any kind, and gives them', async () => {
    const sum = [...count(500)].reduce((all, n) => all + BigInt(n) ** 40n, 0n);
    expect(await hive.range(0, 500, tasks.big, { reduce: tasks.product })).toBe(sum);
    expect(await hive.range(0, 500, tasks.maybe, { reduce: tasks.smaller })).toBe(7);
    expect(await hive.range(0, 7, tasks.maybe, { reduce: tasks.smaller })).toBeUndefined();
  });

  test('is not asked about one result, and gives nothing of none', async () => {
    expect(await hive.map(tasks.same, [null], { reduce: tasks.throws })).toBeNull();
    expect(await hive.map(tasks.words, [], { reduce: tasks.merge })).toBeUndefined();
  });

  test('leaves a task its early end', async () => {
    const outcome = await hive.range(0, 1e9, tasks.found, { reduce: tasks.smaller }).outcome();
    expect(outcome).toEqual({ value: 'found', isEarly: true });
  });

  test('folds a detached job, whose value anybody may ask for later', async () => {
    const job = await hive.submit({
      kind: tasks.words,
      inputs: LINES,
      reduce: tasks.merge,
      attached: false,
    });
    expect(await job.value).toEqual(counted(LINES));
    expect(await (await hive.open(job.id)).value).toEqual(counted(LINES));
  });

  test('is heard while it folds, as the task at hand or the first of those in a fold', async () => {
    const options = { range: { start: 0, step: 1, count: 600 } } as const;
    const job = await hive.submit({ ...options, kind: tasks.slowly, reduce: tasks.talks });
    const heard = new Set<string>();
    for await (const { data } of job.output())
      for (const line of Buffer.from(data).toString().trim().split('\n')) heard.add(line);
    expect([...heard].sort()).toEqual(['higher', 'in a slot']);
    expect(await job.value).toEqual([...count(600)]);
  });

  test('runs here, as in a test of its own', () => {
    expect(tasks.merge.run(new Map([['a', 1]]), new Map([['a', 2]]))).toEqual(new Map([['a', 3]]));
  });
});

describe('a reducer that', () => {
  const numbers = [...count(40)];

  test('throws fails the job with its own error, and the line of it', async () => {
    const error = await rejection(hive.map(tasks.same, numbers, { reduce: tasks.throws }).value());
    expect(error).toMatchObject({ name: 'MergeError', code: 'E_MERGE' });
    expect(error.message).toMatch(
      /The reducer "throws" of folded\.task\.ts threw: five is right out \(at folded\.task\.ts:\d+:\d+\)/,
    );
    expect(error).toBeInstanceOf(TaskError);
    expect((error as TaskError).thrown).toBeInstanceOf(RangeError);
    expect(error.stack).toMatch(/folded\.task\.ts:\d+/);
  });

  test('throws far up the tree fails the job with its own error, too, for whoever asks', async () => {
    const options = { range: { start: 0, step: 1, count: 600 }, attached: false } as const;
    const job = await hive.submit({ ...options, kind: tasks.slowly, reduce: tasks.throwsHigher });
    for (const value of [job.value, (await hive.open(job.id)).value]) {
      const error = (await rejection(value)) as TaskError & { lengths?: Map<string, number> };
      expect(error).toBeInstanceOf(TaskError);
      expect(error).toMatchObject({ name: 'MergeError', code: 'E_MERGE', outcome: 'failed', job: job.id });
      expect(error.thrown).toBeInstanceOf(RangeError);
      expect(error.cause).toMatchObject({ name: 'TypeError', message: 'they are long' });
      expect(error.lengths!.get('right')).toBeGreaterThan(1);
      expect(error.stack).toMatch(/^MergeError: not these two\n\s+at .*folded\.task\.ts:\d+/);
      const last = error.index + error.count! - 1;
      expect(error.message).toContain(
        `folding tasks ${error.index} to ${last} failed: The reducer "throwsHigher"`,
      );
    }
    expect((await job.done).message).toContain('not these two');
  });

  test('throws in what it calls tells the way there', async () => {
    const error = await rejection(hive.map(tasks.same, numbers, { reduce: tasks.throwsDeep }).value());
    expect(error.message).toMatch(
      /went too deep \(at folded\.task\.ts:\d+:\d+\)\n\s+at deep \(.*folded\.task\.ts.*\n\s+at .*folded\.task\.ts/,
    );
  });

  test.each([
    ['returns a promise', tasks.promises, /returned a promise\. A reducer gives its value at once/],
    ['returns nothing', tasks.forgets, /returned nothing\. End it with the folded value/],
    ['returns what cannot be sent', tasks.strange, /gave what cannot be sent|cannot be sent/],
  ])('%s fails the job with a sentence', async (_, reduce, text) => {
    const error = await rejection(hive.map(tasks.same, [1, 2, 3, 4, 5, 6, 7, 8], { reduce }).value());
    expect(error.message).toMatch(text);
  });

  test('ends its thread ends the job and harms no other', async () => {
    const other = hive.range(0, 2_000, tasks.listed, { reduce: tasks.joined });
    const error = await rejection(hive.map(tasks.same, numbers, { reduce: tasks.exits, backoff: 1 }).value());
    expect(error.message).toContain('The reducer has ended its thread: process.exit(7).');
    expect(await other).toEqual([...count(2_000)]);
  });

  test('blocks for ever is ended by the limit of an attempt', async () => {
    // Long enough for the tasks themselves.
    for (let attemptTimeout = 200; ; attemptTimeout *= 2) {
      const options = { reduce: tasks.blocks, attemptTimeout, retries: 0 } as const;
      const error = await rejection(hive.map(tasks.same, numbers, options).value());
      expect(error.message).toContain(`longer than its limit of ${attemptTimeout} ms.`);
      if (error.message.includes('By then it was in the reducer.')) break;
    }
    expect(await hive.map(tasks.same, [1], { reduce: tasks.throws })).toBe(1);
  });

  test('gives too much says what to do', async () => {
    const texts = new Array(20).fill('x'.repeat(100_000));
    const error = await rejection(hive.map(tasks.texts, texts, { reduce: tasks.doubles }).value());
    expect(error.message).toContain('at most 1048576 are allowed. Fold into less');
  });
});

describe('is refused', () => {
  test('for what is no function', async () => {
    const error = await rejection(
      Promise.resolve().then(() => hive.map('echo', [1], { reduce: tasks.merge })),
    );
    expect(error.message).toContain('Only what functions give is folded with a reducer');
  });

  test('when nobody knows its file', async () => {
    const stray = registeredReducer('absent');
    const unknown = { ...stray, registered: null };
    const map = () => hive.map(tasks.same, [1], { reduce: unknown }).value();
    expect((await rejection(map())).message).toContain('not known which file this reducer is in');
    expect(() => stray.run(1, 2)).toThrow('The reducer of "absent" is on Drones only.');
  });
});
