/** The tasks of one thread that wait for others: when their slot is given away, and when it is theirs again. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { ThreadNesting } from './thread-nesting.ts';

let nesting: ThreadNesting;
let said: (boolean | 'pass')[];
beforeEach(() => {
  said = [];
  nesting = new ThreadNesting(
    (message) => said.push('waits' in message ? message.waits : 'pass'),
    () => 1,
  );
  nesting.beginLease();
});

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((resolve) => setImmediate(() => resolve(false)));
  return Promise.race([promise.then(() => true), turn]) as Promise<boolean>;
}

describe('a slot is given away', () => {
  test('by a task that has it for itself, and is its own again when the main thread says so', async () => {
    const resting = nesting.rest();
    expect(said).toEqual([true]);
    const back = resting.goOn();
    expect([said, await isSettled(back)]).toEqual([[true, false], false]);
    nesting.goOn(null);
    expect(await isSettled(back)).toBe(true);
  });

  test('by several at once when all of them wait, and theirs again for all', async () => {
    const endings = [nesting.begin(), nesting.begin(), nesting.begin()];
    const first = nesting.rest();
    const second = nesting.rest();
    expect(said).toEqual([]);
    endings[2]!();
    expect(said).toEqual([true]);
    const back = [first.goOn(), second.goOn()];
    expect(said).toEqual([true, false]);
    nesting.goOn(null);
    await Promise.all(back);
    expect(nesting.isAway).toBe(false);
  });

  test('again by those that still wait, when the one that has come back ends', async () => {
    const ended = nesting.begin();
    nesting.begin();
    const first = nesting.rest();
    nesting.rest();
    const back = first.goOn();
    nesting.goOn(null);
    await back;
    expect(said).toEqual([true, false]);
    ended();
    expect(said).toEqual([true, false, true]);
  });

  test('and taken back for what begins meanwhile', async () => {
    nesting.begin();
    nesting.rest();
    nesting.begin();
    expect(nesting.isAway).toBe(true);
    const back = nesting.comeBack();
    nesting.goOn(null);
    await back;
    expect(said).toEqual([true, false]);
  });
});

describe('a slot that cannot be given away', () => {
  test('is told to the task that came last', async () => {
    nesting.begin();
    nesting.begin();
    const first = nesting.rest();
    const last = nesting.rest();
    nesting.goOn('Too many wait.');
    await expect(last.refused).rejects.toMatchObject({ code: 'tooManyWait', message: 'Too many wait.' });
    await first.goOn();
    expect(said).toEqual([true]);
  });

  test('is nothing to a task that has its answer by then', async () => {
    const resting = nesting.rest();
    const back = resting.goOn();
    nesting.goOn('Too many wait.');
    await back;
    expect(nesting.isAway).toBe(false);
  });
});

test('nothing of a lease is left to the next', async () => {
  nesting.begin();
  nesting.rest();
  nesting.beginLease();
  expect(nesting.isAway).toBe(false);
  nesting.rest();
  expect(said).toEqual([true, true]);
});
