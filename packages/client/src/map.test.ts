import { LIMITS } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import type { TaskError } from './errors.ts';
import { collect, count, rejection, turn, withFake } from './testing/with-fake.ts';

const failAt = (bad: number) => (input: unknown, index: number) => {
  if (index === bad) throw new Error(`no ${index}`);
  return input;
};

describe('map', () => {
  test('awaited gives the values in the order of the inputs', () =>
    withFake({ task: (input) => `<${input}>`, resultsPerPage: 2 }, async (_, hive) => {
      expect(await hive.map('wrap', ['a', 'b', 'c', 'd', 'e'])).toEqual(['<a>', '<b>', '<c>', '<d>', '<e>']);
    }));

  test('of nothing gives nothing', () =>
    withFake({}, async (_, hive) => {
      expect(await hive.map('echo', [])).toEqual([]);
      expect(await collect(hive.map('echo', []))).toEqual([]);
    }));

  test.each([true, false])('is iterated over (ordered: %s)', (ordered) =>
    withFake({ resultsPerPage: 7 }, async (queen, hive) => {
      const values = await collect(hive.map('echo', count(1_000), { ordered }));
      expect(values).toEqual([...count(1_000)]);
      expect(queen.heard.find(({ type }) => type === 'ResultCredit')).toMatchObject({
        order: ordered ? 'index' : 'seq',
        after: 0,
      });
    }),
  );

  test('takes values of all plain shapes', () =>
    withFake({}, async (_, hive) => {
      const values = [
        0,
        -1,
        1.5,
        2 ** 40,
        '',
        'ü',
        'x'.repeat(10_000),
        true,
        null,
        [1, [2]],
        { a: { b: 'c' } },
      ];
      expect(await hive.map('echo', values)).toEqual(values);
    }));

  test('of raw bytes gives raw bytes', () =>
    withFake({}, async (_, hive) => {
      const values = await hive.map('echo', [Buffer.from('ab'), new Uint8Array(3)], { encoding: 'raw' });
      expect(values.map((value) => [...(value as Uint8Array)])).toEqual([
        [97, 98],
        [0, 0, 0],
      ]);
    }));

  test('takes an async source, and sends what came in one turn together', () =>
    withFake({}, async (queen, hive) => {
      async function* source() {
        yield* count(10);
        await new Promise((resolve) => setImmediate(resolve));
        yield* count(5);
      }
      expect(await hive.map('echo', source())).toEqual([...count(10), ...count(5)]);
      expect(queen.job().appends).toEqual([10, 5]);
    }));

  test('sends results back before a slow source has ended', () =>
    withFake({}, async (_, hive) => {
      let answer: (value: unknown) => void = () => {};
      async function* conversation() {
        for (let i = 0; i < 3; i++) {
          const answered = new Promise((resolve) => {
            answer = resolve;
          });
          yield i;
          expect(await answered).toBe(i);
        }
      }
      const seen: unknown[] = [];
      for await (const value of hive.map('echo', conversation())) {
        seen.push(value);
        answer(value);
      }
      expect(seen).toEqual([0, 1, 2]);
    }));

  test('fills pages from an array, and spreads a large one over several', () =>
    withFake({ inputCredit: 64 * 1024 * 1024 }, async (queen, hive) => {
      const texts = Array.from({ length: 30 }, () => 'x'.repeat(50_000));
      expect((await hive.map('echo', texts)).length).toBe(30);
      expect(queen.job().appends.every((n) => n * 50_000 < LIMITS.pageBytesMax)).toBe(true);
    }));

  test('pulls no more inputs than the Queen gives credit for', () =>
    withFake({ inputCredit: 1_000 }, async (queen, hive) => {
      queen.isHolding = true;
      // Credit comes back only as pages are durable, and these never are.
      queen.intercept = ({ type }) => type === 'Append';
      let pulled = 0;
      function* source() {
        for (; pulled < 1_000_000; pulled++) yield pulled;
      }
      const all = rejection(hive.map('echo', source()).all());
      await queen.until(() => queen.heard.some(({ type }) => type === 'Append'));
      await hive.status();
      expect(pulled).toBeLessThan(300);
      await hive.close();
      expect((await all).code).toBe('closed');
    }));

  test('puts no more into the send buffer than the Queen takes out', () =>
    withFake({ inputCredit: 2 ** 30 }, async (queen, hive) => {
      let pulled = 0;
      function* source() {
        while (pulled++ < 100) yield 'x'.repeat(500_000);
      }
      let resume = () => {};
      queen.intercept = ({ type }, { socket }) => {
        if (type !== 'Append') return false;
        socket.pause();
        resume = () => socket.resume();
        return false;
      };
      const maps = Array.from({ length: 2 }, () => hive.map('echo', source()).all());
      await queen.until(() => queen.heard.some(({ type }) => type === 'Append'));
      // She reads nothing more: 8 MiB wait here, and what the system holds for two sockets is somewhere else.
      for (let before = -1, quiet = 0; quiet < 200; before = pulled) {
        await turn();
        quiet = before === pulled ? quiet + 1 : 0;
      }
      expect(pulled).toBeGreaterThan(10);
      expect(pulled).toBeLessThan(60);
      queen.intercept = () => false;
      resume();
      const [one, two] = await Promise.all(maps);
      expect(one!.length + two!.length).toBe(100);
    }));

  test('lets no more results come than its reader takes', () =>
    withFake(
      { task: () => 'x'.repeat(60_000), inputCredit: 2 ** 30, resultsPerPage: 4 },
      async (queen, hive) => {
        const iterator = hive.map('echo', count(2_000))[Symbol.asyncIterator]();
        await iterator.next();
        const granted = () =>
          queen.heard.reduce(
            (sum, message) => sum + (message.type === 'ResultCredit' ? message.bytes : 0),
            0,
          );
        await queen.until(() => queen.job().done === 2_000);
        await hive.status();
        expect(granted()).toBe(LIMITS.resultCreditBytes);
        for (let i = 1; i < 100; i++) await iterator.next();
        await hive.status();
        expect(granted()).toBeLessThan(LIMITS.resultCreditBytes * 1.5);
        let rest = 0;
        while (!(await iterator.next()).done) rest++;
        expect(rest).toBe(1_900);
        expect(granted()).toBeGreaterThan(100_000_000);
      },
    ));

  test('throws the first failure as a TaskError and cancels the rest', () =>
    withFake({ task: failAt(3), resultsPerPage: 2 }, async (queen, hive) => {
      const error = (await rejection(hive.map('echo', count(10)).all())) as TaskError;
      expect(error).toMatchObject({
        name: 'TaskError',
        index: 3,
        outcome: 'failed',
        message: 'no 3',
        job: queen.job().id,
      });
    }));

  test('gives the values before a failure to its reader first', () =>
    withFake({ task: failAt(3) }, async (queen, hive) => {
      const endless = (function* () {
        for (let i = 0; ; i++) yield i;
      })();
      const seen: unknown[] = [];
      const reading = async () => {
        for await (const value of hive.map('echo', endless)) seen.push(value);
      };
      expect((await rejection(reading())).message).toBe('no 3');
      expect(seen).toEqual([0, 1, 2]);
      await queen.until(() => queen.job().state === 'cancelled');
    }));

  test('is cancelled when its loop is left early', () =>
    withFake({}, async (queen, hive) => {
      let isClosed = false;
      function* source() {
        try {
          for (let i = 0; ; i++) yield i;
        } finally {
          isClosed = true;
        }
      }
      for await (const value of hive.map('echo', source())) if (value === 5) break;
      await queen.until(() => queen.job().state === 'cancelled');
      expect(isClosed).toBe(true);
    }));

  test('is cancelled by its signal, and rejects with the reason', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const abort = new AbortController();
      const all = rejection(hive.map('echo', [1], { signal: abort.signal }).all());
      await queen.until(() => queen.jobs.size === 1);
      const reason = new Error('enough');
      abort.abort(reason);
      expect(await all).toBe(reason);
      await queen.until(() => queen.job().state === 'cancelled');
    }));

  test('rejects when somebody else cancels its job', () =>
    withFake({}, async (queen, hive) => {
      queen.isHolding = true;
      const results = hive.map('echo', [1]);
      const all = rejection(results.all());
      await hive.cancel((await results.job).id, 'not today');
      expect(await all).toMatchObject({ code: 'cancelled', message: 'not today' });
      expect((await (await results.job).done).state).toBe('cancelled');
    }));

  test('rejects with what its inputs throw, and cancels', () =>
    withFake({}, async (queen, hive) => {
      const broken = (function* () {
        yield 1;
        throw new Error('the source is broken');
      })();
      expect((await rejection(hive.map('echo', broken).all())).message).toBe('the source is broken');
      await queen.until(() => queen.jobs.size === 0 || queen.job().state === 'cancelled');
    }));

  test('rejects when an input cannot be sent', () =>
    withFake({}, async (_, hive) => {
      expect((await rejection(hive.map('echo', [1, Symbol('x')]).all())).code).toBe('badValue');
      expect((await rejection(hive.map('echo', ['x'.repeat(2_000_000)]).all())).code).toBe('tooLarge');
    }));

  test('refuses a text as inputs', () =>
    withFake({}, async (_, hive) => {
      expect(() => hive.map('echo', 'abc')).toThrow('not one value');
    }));

  test('rejects when no Drone knows the kind', () =>
    withFake({}, async (_, hive) => {
      expect((await rejection(hive.map('nothing', [1]).all())).code).toBe('unknownKind');
    }));
});
