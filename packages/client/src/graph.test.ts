import { describe, expect, test } from '@jest/globals';
import type { GraphTask } from './graph.ts';
import { count, rejection, withFake } from './testing/with-fake.ts';

/** A task that fails if its own input is "bad", and else says what it got. */
const cook = (input: unknown) => {
  const [own, ...parents] = input as [string, ...unknown[]];
  if (own === 'bad') throw new Error('burnt');
  return parents.length === 0 ? own : `${own}(${parents.map((parent) => parent ?? 'nothing').join(' ')})`;
};

describe('a graph', () => {
  test('hands the results of parents to their children, in the order in which they were named', () =>
    withFake({ task: cook }, async (queen, hive) => {
      const graph = hive.graph('cook', { name: 'bread' });
      const flour = graph.task<string>('flour');
      const water = graph.task<string>('water');
      const dough = graph.task<string>('dough', { after: [water, flour] });
      const bread = graph.task<string>('bread', { after: [dough] });
      const results = await graph.run();
      const text: string = results.get(bread);
      expect(text).toBe('bread(dough(water flour))');
      expect(results.get(flour)).toBe('flour');
      expect(queen.job().spec).toEqual({
        kind: 'cook',
        encoding: 'msgpack',
        name: 'bread',
        graph: 'failChildren',
      });
      expect(queen.job().graph.parents).toEqual([[], [], [1, 0], [2]]);
    }));

  test('may name tasks that are added later, and tells of all in the order of adding', () =>
    withFake({ task: cook }, async (queen, hive) => {
      const graph = hive.graph('cook');
      const bread = graph.task('bread', { name: 'bread', after: ['dough'] });
      const dough = graph.task('dough', { name: 'dough' });
      const results = await graph.run();
      expect([...results].map(([task, result]) => [task.label, result?.value])).toEqual([
        ['bread', 'bread(dough)'],
        ['dough', 'dough'],
      ]);
      expect(queen.job().inputs).toEqual(['dough', 'bread']);
      expect([graph.indexOf(bread), graph.indexOf(dough)]).toEqual([1, 0]);
    }));

  test('fails with the task in which it began', () =>
    withFake({ task: cook }, async (_, hive) => {
      const graph = hive.graph('cook', { retries: 0 });
      const bread = graph.task('bread', { after: ['dough'] });
      graph.task('bad', { name: 'dough' });
      const error = await rejection(graph.run());
      expect(error).toMatchObject({ name: 'TaskError', message: 'burnt', task: 'dough', code: 'BOOM' });
      expect(bread.label).toBe('task 0');
    }));

  test('runs children without a parent that failed, if it is to', () =>
    withFake({ task: cook }, async (queen, hive) => {
      const graph = hive.graph('cook', { whenParentFails: 'runChildren' });
      const bad = graph.task('bad');
      const child = graph.task('child', { after: [bad, graph.task('good')] });
      const results = await graph.run();
      expect(results.get(child)).toBe('child(nothing good)');
      expect(results.outcome(bad)).toMatchObject({ outcome: 'failed', error: { message: 'burnt' } });
      expect(() => results.get(bad)).toThrow('burnt');
      expect(queen.job().spec.graph).toBe('runChildren');
    }));

  test('that cannot be run is refused before anything is sent', () =>
    withFake({}, async (queen, hive) => {
      const cyclic = hive.graph('echo');
      cyclic.task(1, { name: 'mix', after: ['bake'] });
      cyclic.task(2, { name: 'bake', after: ['eat', 'mix'] });
      cyclic.task(3, { name: 'eat' });
      expect(await rejection(cyclic.run())).toMatchObject({
        code: 'badGraph',
        message: 'These tasks wait for one another: "mix" after "bake" after "mix".',
      });

      const unknown = hive.graph('echo');
      unknown.task(1, { name: 'mix', after: ['flour'] });
      expect((await rejection(unknown.submit())).message).toBe(
        '"mix" comes after "flour", which is no task of this graph.',
      );
      const foreign = hive.graph('echo');
      foreign.task(1, { after: [cyclic.task(4, { name: 'other' })] });
      expect((await rejection(foreign.submit())).message).toBe(
        '"task 0" comes after "other", which is no task of this graph.',
      );

      const double = hive.graph('echo');
      const a = double.task(1, { name: 'a' });
      double.task(2, { name: 'b', after: [a, 'a'] });
      expect((await rejection(double.run())).message).toBe('"b" comes after "a" twice.');
      expect(() => double.task(3, { name: 'a' })).toThrow('Two tasks have the name "a".');
      expect(queen.jobs.size).toBe(0);
    }));

  test('is submitted once', () =>
    withFake({}, async (_, hive) => {
      const graph = hive.graph('echo');
      const task = graph.task(1);
      expect(() => graph.indexOf(task)).toThrow('was not submitted');
      const job = await graph.submit();
      expect((await job.done).state).toBe('succeeded');
      expect(() => graph.task(2)).toThrow('was submitted already');
      expect((await rejection(graph.run())).message).toContain('was submitted already');
    }));

  test('of nothing has no results', () =>
    withFake({}, async (_, hive) => {
      expect([...(await hive.graph('echo').run())]).toEqual([]);
    }));

  test('of many tasks and edges goes in pages that the wire can carry, also over cuts', () =>
    withFake({ task: (input) => (input as unknown[]).length }, async (queen, hive) => {
      let appends = 0;
      queen.intercept = (message, connection) => {
        if (message.type === 'Append' && ++appends === 2) setImmediate(() => connection.destroy());
        return false;
      };
      const graph = hive.graph('count');
      const first: GraphTask[] = [];
      for (const n of count(40_000)) first.push(graph.task(n));
      const wide = Array.from(count(10), (n) => graph.task(n, { after: first }));
      const results = await graph.run();
      expect(wide.map((task) => results.get(task))).toEqual(Array(10).fill(40_001));
      for (const message of queen.heard) {
        if (message.type === 'Append') expect(message.parents!.length).toBeLessThanOrEqual(131_072);
      }
      expect(queen.job().inputs.length).toBe(40_010);
    }));

  test('cannot have a task with more parents than the wire can carry', () =>
    withFake({}, async (_, hive) => {
      const graph = hive.graph('echo');
      const parents = Array.from(count(131_072), (n) => graph.task(n));
      graph.task('all', { name: 'all', after: parents });
      expect((await rejection(graph.run())).message).toMatch(
        /"all" comes after 131072 tasks; at most 131071/,
      );
    }));

  test('takes no streams', () =>
    withFake({}, async (_, hive) => {
      const graph = hive.graph('hash');
      graph.task({ bytes: 2_000_000, read: async () => new Uint8Array(2_000_000) });
      expect((await rejection(graph.run())).message).toContain('not streams');
    }));
});
