import { describe, expect, test } from '@jest/globals';
import { TaskError } from './errors.ts';
import { rejection, turn, withFake } from './testing/with-fake.ts';

describe('a call', () => {
  test('resolves with the value that its task gave', () =>
    withFake({ task: (input) => (input as number) * 2 }, async (_, hive) => {
      expect(await hive.call('double', 21)).toBe(42);
      expect(await hive.call('double', 4)).toBe(8);
    }));

  test('shares one hidden job and one page with the others of its turn', () =>
    withFake({}, async (queen, hive) => {
      const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => hive.call('echo', i)));
      expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect(queen.jobs.size).toBe(1);
      expect(queen.job().spec.hidden).toBe(true);
      expect(queen.job().appends).toEqual([100]);
    }));

  test('has a job per kind and options', () =>
    withFake({}, async (queen, hive) => {
      await hive.call('a', 1);
      await hive.call('b', 1);
      await hive.call('a', 1, { params: { x: 1 }, priority: 3 });
      await hive.call('a', 2, { params: { x: 1 }, priority: 3 });
      expect(
        [...queen.jobs.values()].map(({ spec, inputs }) => [spec.kind, spec.params?.['x'], inputs.length]),
      ).toEqual([
        ['a', undefined, 1],
        ['b', undefined, 1],
        ['a', 1, 2],
      ]);
    }));

  test('rejects with a TaskError when its task fails, and leaves the others alone', () =>
    withFake({ task: failAt(1) }, async (_, hive) => {
      const calls = [hive.call('echo', 0), hive.call('echo', 1), hive.call('echo', 2)];
      const error = (await rejection(calls[1]!)) as TaskError;
      expect(error).toBeInstanceOf(TaskError);
      expect(error).toMatchObject({ index: 1, outcome: 'failed', code: 'BOOM', message: 'no 1' });
      expect(await Promise.all([calls[0], calls[2]])).toEqual([0, 2]);
    }));

  test('rejects when its value cannot be sent, which costs no index', () =>
    withFake({}, async (queen, hive) => {
      const bad = rejection(hive.call('echo', { at: new Map() }));
      expect(await hive.call('echo', 1)).toBe(1);
      expect((await bad).code).toBe('badValue');
      expect(queen.job().inputs).toEqual([1]);
    }));

  test('rejects when no Drone knows its kind, and may be tried again', () =>
    withFake({}, async (_, hive) => {
      expect((await rejection(hive.call('nothing', 1))).code).toBe('unknownKind');
      expect((await rejection(hive.call('nothing', 1))).code).toBe('unknownKind');
      expect(await hive.call('echo', 1)).toBe(1);
    }));

  test('that is aborted rejects with the reason, and cancels just its own task', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const abort = new AbortController();
      const kept = hive.call('echo', 'kept');
      const gone = rejection(hive.call('echo', 'gone', { signal: abort.signal }));
      const reason = new Error('changed my mind');
      abort.abort(reason);
      expect(await gone).toBe(reason);
      await queen.until(() => queen.heard.some(({ type }) => type === 'Cancel'));
      expect(queen.heard.find(({ type }) => type === 'Cancel')).toMatchObject({ indices: [1] });
      queen.release();
      expect(await kept).toBe('kept');
    }));

  test('with a signal that was aborted before is never sent', () =>
    withFake({}, async (queen, hive) => {
      expect(await rejection(hive.call('echo', 1, { signal: AbortSignal.abort('no') }))).toBe('no');
      await turn();
      expect(queen.heard.filter(({ type }) => type === 'Append')).toEqual([]);
    }));

  test('rejects when its client is closed, and after', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const waiting = rejection(hive.call('echo', 1));
      await queen.until(() => queen.jobs.size === 1 && queen.job().inputs.length === 1);
      await hive.close();
      expect((await waiting).code).toBe('closed');
      expect((await rejection(hive.call('echo', 1))).code).toBe('closed');
      expect(queen.job().state).toBe('cancelled');
    }));

  test('tells the Queen which results it has, so that she need not keep them', () =>
    withFake({ heartbeatMillis: 20 }, async (queen, hive) => {
      await hive.call('echo', 1);
      await hive.call('echo', 2);
      await queen.until(() => queen.job().received === 2);
    }));
});

export function failAt(...indices: number[]) {
  return (input: unknown, index: number) => {
    if (indices.includes(index)) throw new Error(`no ${index}`);
    return input;
  };
}
