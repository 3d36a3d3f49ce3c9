/** Each task of a lease has a clock of its own, whether the thread reads the clock for it or not. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type ControlBlock, clock, controlBlock, newSharedMemory, TIME, WORD } from './control-block.ts';
import { RunningLook } from './running-look.ts';

let block: ControlBlock;
let look: RunningLook;
beforeEach(() => {
  jest.useFakeTimers({ now: 1_000 });
  block = controlBlock(newSharedMemory().control);
  Atomics.store(block.words, WORD.startedPosition, -1);
  look = new RunningLook();
});
afterEach(() => {
  jest.useRealTimers();
});
const runs = (position: number) => {
  Atomics.store(block.words, WORD.completed, position);
  Atomics.store(block.words, WORD.next, position + 1);
};

test('a task that the thread has not timed runs since the first look that saw it, and not since the one before it', () => {
  runs(0);
  expect(look.look(block)).toEqual({ position: 0, runningMillis: expect.closeTo(0, 1) });
  jest.advanceTimersByTime(300);
  expect(look.look(block)).toEqual({ position: 0, runningMillis: expect.closeTo(300, 1) });
  runs(1);
  expect(look.look(block)).toEqual({ position: 1, runningMillis: expect.closeTo(0, 1) });
  jest.advanceTimersByTime(40);
  expect(look.look(block)).toEqual({ position: 1, runningMillis: expect.closeTo(40, 1) });
});

test('one that the thread has timed runs since then, and that says nothing of the next', () => {
  runs(0);
  block.times[TIME.startedAt] = clock();
  Atomics.store(block.words, WORD.startedPosition, 0);
  jest.advanceTimersByTime(70);
  expect(look.look(block)).toEqual({ position: 0, runningMillis: expect.closeTo(70, 1) });
  runs(1);
  expect(look.look(block)).toEqual({ position: 1, runningMillis: expect.closeTo(0, 1) });
});

test('nothing runs when all that was claimed is done', () => {
  Atomics.store(block.words, WORD.completed, 2);
  Atomics.store(block.words, WORD.next, 2);
  expect(look.look(block)).toBeNull();
});
