import { reducer } from '../../functions/reducer.ts';
import { type Task, type TaskContext, task } from '../../functions/task.ts';

export const double = task((n: number) => n * 2);
export const refuses = task((n: number) => {
  throw new RangeError(`${n} is too much`);
});

/** The sum of the doubles of 0 up to n. */
export const sumOfDoubles = task(async (n: number, { hive }: TaskContext) => {
  const doubles = await hive.map(
    double,
    Array.from({ length: n }, (_, i) => i),
  );
  return doubles.reduce((a, b) => a + b, 0);
});
export const folded = task((n: number, { hive }: TaskContext) =>
  hive.range<number>(0, n, double, { reduce: 'sum' }),
);
export const listed = task((n: number) => [n]);
export const joined = reducer((left: number[], right: number[]) => [...left, ...right]);
export const foldedBy = task((n: number, { hive }: TaskContext) =>
  hive.range(0, n, listed, { reduce: joined }),
);
export const foldedByStray = task((n: number, { hive }: TaskContext) =>
  hive.range(0, n, listed, { reduce: reducer((left: number[]) => left) }),
);

export const wideBelow = task((n: number, { hive }: TaskContext) => hive.call(double, n, { slots: 2 }));

/** Leaves of a tree with two branches at every level. */
export const leaves: Task<number, number> = task(async (levels, { hive }) => {
  if (levels === 0) return 1;
  const nested = levels > 1;
  const [left, right] = await Promise.all([
    hive.call(leaves, levels - 1, { nested, retries: 0 }),
    hive.call(leaves, levels - 1, { nested, retries: 0 }),
  ]);
  return left + right;
});
export const tellsError = task(async (n: number, { hive }: TaskContext) => {
  try {
    await hive.call(refuses, n, { retries: 0 });
    return 'nothing was thrown';
  } catch (error) {
    return `${(error as Error).message}`;
  }
});
export const mixed = task(async (n: number, { hive }: TaskContext) => [
  await hive.call('echo', n),
  ...(await Promise.all([1, 2, 3].map((i) => hive.call(double, n + i)))),
]);
/** Leaves behind what never ends. */
export const leavesBehind = task(async (millis: number, { hive }: TaskContext) => {
  const [first] = await Promise.race([hive.map('sleep', [1]), hive.map('sleep', [millis])]);
  return first;
});
export const waitsForever = task(async (millis: number, { hive }: TaskContext) => {
  await hive.map('sleep', [millis]);
});
let here = 0;
/** Submits work when so many of them have come, in one thread. */
export const meets = task(async (others: number, { hive }: TaskContext) => {
  here++;
  while (here < others) await new Promise(setImmediate);
  return await hive.call(double, others);
});
/** Its child never ends; others beside it do. */
export const stuck = task(async (millis: number, { hive }: TaskContext) => {
  await hive.call('sleep', millis);
  return millis;
});
export const describesError = task(async (n: number, { hive }: TaskContext) => {
  try {
    return await hive.call(refuses, n, { retries: 0 });
  } catch (error) {
    return { ...(error as object), name: (error as Error).name };
  }
});
/** Submits without a sandbox what may not be without. */
export const wantsOut = task(async (n: number, { hive }: TaskContext) => [
  await hive.map(double, [n], { sandbox: 'none' }),
  await hive.map('command', ['true'], { sandbox: 'none', params: { sandbox: 'none' } }),
  await hive.map('echo', [n]),
]);
export const sendsFunction = task(async (n: number, { hive }: TaskContext) => hive.call('echo', () => n));
const hidden = task(() => 1);
export const strays = task(async (_: number, { hive }: TaskContext) => hive.call(hidden, 1));

export const isFound = task((n: number, { finish }: TaskContext) => (n === 77 ? finish({ at: n }) : n));
/** What ends the child with a value does not end the task itself. */
export const searches = task(async (n: number, { hive }: TaskContext) => [
  await hive.range<{ at: number }>(0, n, isFound, { reduce: 'max' }),
  await hive.call(double, n),
]);
