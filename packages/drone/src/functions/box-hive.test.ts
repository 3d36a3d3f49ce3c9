/** What a sandboxed task submits stays in its sandbox. */
import { expect, test } from '@jest/globals';
import { BoxHive } from './box-hive.ts';
import type { FunctionParams } from './params.ts';

test.each([
  { op: 'function', module: 'a'.repeat(64) },
  { op: 'function', registered: 'x' },
  { op: 'sum', module: 'a'.repeat(64) },
])('a reducer that is named as on the wire is refused: %j', async (reduce) => {
  const told: object[] = [];
  const params = { module: 'b'.repeat(64), name: null, file: 'a.task.ts' } as FunctionParams;
  const nesting = { pass: () => Promise.reject(new Error('nothing may be submitted')) } as never;
  let resolve = () => {};
  const answered = new Promise<void>((done) => {
    resolve = done;
  });
  const box = new BoxHive({ nesting }, params, 'bwrap', new AbortController().signal, (order) => {
    told.push(order);
    resolve();
  });
  box.asked({ type: 'ask', ask: 7, method: 'map', args: [{ registered: 'x' }, [1], { reduce }] }, 1);
  box.awaited(7);
  await answered;
  const message = 'A task in a sandbox folds with a reducer that its file exports, or with a built-in one.';
  expect(told).toMatchObject([{ type: 'answer', ask: 7, error: { name: 'TypeError', message } }]);
  box.end();
});

test('what it asks at once is bounded, whether or not it awaits the answers', async () => {
  const told: object[] = [];
  const params = { module: 'b'.repeat(64), name: null, file: 'a.task.ts' } as FunctionParams;
  const nesting = { pass: () => new Promise(() => {}), rest: () => ({ refused: new Promise(() => {}) }) };
  const { signal } = new AbortController();
  const box = new BoxHive({ nesting: nesting as never }, params, 'bwrap', signal, (order) =>
    told.push(order),
  );
  const ask = (number: number, bytes: number) =>
    box.asked({ type: 'ask', ask: number, method: 'call', args: ['echo', 1] }, bytes);
  for (let number = 1; number <= 16; number++) ask(number, 16 * 1024 * 1024);
  ask(17, 16 * 1024 * 1024);
  box.awaited(17);
  await new Promise(setImmediate);
  expect(told).toMatchObject([{ ask: 17, error: { own: { code: 'tooMuchAsked' } } }]);
  expect(() => ask(16, 1)).toThrow('await some of them');
  for (let number = 17; number <= 100_000; number++) ask(number, 0);
  expect(() => ask(100_001, 0)).toThrow('await some of them');
  box.end();
});
