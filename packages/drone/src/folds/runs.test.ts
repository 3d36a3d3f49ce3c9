/** What is folded of a run of tasks, with a clock that stands where the test puts it. */
import { decodeHiveJs, encodeHiveJs, LIMITS, PageBuilder } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { BoxRuns } from './box-runs.ts';
import { FoldRuns } from './fold-runs.ts';
import type { Folding, Taken } from './fold-taken.ts';

/** Finished tasks from `at` on; null: one that has failed. */
function takenOf(values: readonly (string | null)[], at = 0): Taken {
  const builder = new PageBuilder(at);
  for (const value of values) builder.push(value === null ? new Uint8Array(0) : encodeHiveJs(value));
  const { sizes, data } = builder.take();
  const failures = values.flatMap((value, i) =>
    value === null ? [{ position: at + i, outcome: 'failed' as const, message: 'no' }] : [],
  );
  return { at, count: values.length, sizes, data, failures };
}
const shown = ({ folds }: Folding) =>
  folds.map(({ position, count, data }) => [position, count, decodeHiveJs(data)]);

describe('in the thread', () => {
  const runsWith = (fold: (left: unknown, right: unknown) => unknown, ranges = [0, 100]) =>
    new FoldRuns({ fold, name: 'The reducer' }, 'hive-js', ranges);
  const join = (left: unknown, right: unknown) => {
    if (right === 'bad') throw new RangeError('not this one');
    return `${left}${right}`;
  };
  /** As a slot does: a task counts when its value was folded. */
  function run(runs: FoldRuns, values: readonly (string | null)[], at = 0): Folding {
    const ended = values.map((value, i) => {
      if (value === null) return null;
      try {
        runs.add(at + i, encodeHiveJs(value));
        return value;
      } catch {
        return null;
      }
    });
    return runs.take(takenOf(ended, at));
  }

  test('neighbours are folded in order, up to the end of a range and around what failed', () => {
    const folding = run(runsWith(join, [0, 3, 7, 5]), ['a', 'b', 'c', 'd', null, 'e', 'f']);
    expect(shown(folding)).toEqual([
      [0, 3, 'abc'],
      [3, 1, 'd'],
      [5, 2, 'ef'],
    ]);
    expect(folding.failures).toMatchObject([{ position: 4 }]);
  });

  test('what a reducer that throws has had is told value by value', () => {
    const folding = run(runsWith(join), ['a', 'b', 'bad', 'c', 'd']);
    expect(shown(folding)).toEqual([
      [0, 1, 'a'],
      [1, 1, 'b'],
      [3, 2, 'cd'],
    ]);
    expect(folding.failures).toMatchObject([{ position: 2 }]);
  });

  test('a reducer may change what it gets: it is nobody else’s', () => {
    const fold = (left: unknown, right: unknown) => {
      (left as { all: string[] }).all.push(...(right as { all: string[] }).all);
      return left;
    };
    const runs = runsWith(fold);
    const bytes = encodeHiveJs({ all: ['a'] });
    for (let position = 0; position < 3; position++) runs.add(position, bytes);
    const taken = {
      at: 0,
      count: 3,
      sizes: bytes.length,
      data: Buffer.concat([bytes, bytes, bytes]),
      failures: [],
    };
    expect(shown(runs.take(taken))).toEqual([[0, 3, { all: ['a', 'a', 'a'] }]]);
  });

  test('what is too large together is told value by value', () => {
    const half = 'x'.repeat(LIMITS.valueBytesMax / 2);
    expect(run(runsWith(join), [half, half, 'c']).folds.map(({ count }) => count)).toEqual([1, 1, 1]);
  });

  test('what cannot be sent is the failure of the last task of its run', () => {
    const folding = run(
      runsWith(() => () => 1),
      ['a', 'b', 'c'],
    );
    expect(shown(folding)).toEqual([
      [0, 1, 'a'],
      [1, 1, 'b'],
    ]);
    expect(folding.failures).toMatchObject([
      {
        position: 2,
        code: 'badReducer',
        retryable: false,
        message: expect.stringMatching(/^The reducer gave what cannot be sent/),
      },
    ]);
  });

  test('every take begins anew', () => {
    const runs = runsWith(join);
    expect(shown(run(runs, ['a', 'b']))).toEqual([[0, 2, 'ab']]);
    expect(shown(run(runs, ['c', 'd'], 2))).toEqual([[2, 2, 'cd']]);
  });
});

describe('in a box', () => {
  class Stage {
    now = 0;
    end = 100;
    process = {};
    readonly runs = new BoxRuns(
      'hive-js',
      [0, 50, 60, 50],
      () => this.end,
      () => this.now,
    );
    readonly values: (string | null)[] = [];
    #folded = '';

    /** Runs one task as its process does; null: it fails. Returns how it was asked to fold. */
    call(value: string | null, millis = 1): { begins: boolean; gives: boolean } {
      const position = this.values.length;
      const order = this.runs.orderFor(position, this.process);
      this.now += millis;
      this.values.push(value);
      if (value === null) return order;
      this.#folded = order.begins ? value : this.#folded + value;
      this.runs.answered(order.gives ? { value: this.#folded } : null);
      this.runs.add(position);
      return order;
    }
    take(): unknown[] {
      return shown(this.runs.take(takenOf(this.values)));
    }
  }

  test('the first call gives its value, and then one every so often', () => {
    const stage = new Stage();
    expect(stage.call('a', 2)).toEqual({ begins: true, gives: true });
    const asked = Array.from({ length: 24 }, () => stage.call('b', 2));
    expect(asked[0]).toEqual({ begins: true, gives: false });
    expect(asked.slice(1).every(({ begins }) => !begins)).toBe(true);
    expect(asked.findIndex(({ gives }) => gives)).toBe(23);
    expect(stage.take()).toEqual([
      [0, 1, 'a'],
      [1, 24, 'b'.repeat(24)],
    ]);
  });

  test('calls that take long give their values at once', () => {
    const stage = new Stage();
    expect(['a', 'b', 'c'].map((value) => stage.call(value, 1_000).gives)).toEqual([true, true, true]);
  });

  test('the last of a range and of the lease gives what was folded, and so does one that is wanted', () => {
    const stage = new Stage();
    stage.end = 53;
    const gave = Array.from({ length: 53 }, (_, i) => {
      if (i === 20) stage.runs.want();
      return stage.call(`${i},`, 0).gives ? i : null;
    });
    expect(gave.filter((i) => i !== null)).toEqual([0, 20, 49, 52]);
    expect(stage.take().map((fold) => (fold as number[])[1])).toEqual([1, 20, 29, 3]);
  });

  test('what its process has not given any more is told value by value', () => {
    const stage = new Stage();
    for (const value of ['a', 'b', 'c']) stage.call(value);
    stage.process = {};
    expect(stage.call('d')).toEqual({ begins: true, gives: false });
    expect(stage.call(null)).toEqual({ begins: false, gives: false });
    expect(stage.call('e')).toEqual({ begins: true, gives: false });
    expect(stage.runs.isOpen).toBe(true);
    expect(stage.take()).toEqual([
      [0, 1, 'a'],
      [1, 1, 'b'],
      [2, 1, 'c'],
      [3, 1, 'd'],
      [5, 1, 'e'],
    ]);
    expect(stage.runs.isOpen).toBe(false);
  });
});
