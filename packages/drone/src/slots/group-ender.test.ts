import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { controlBlock, newSharedMemory, WORD } from './control-block.ts';
import { GroupEnder } from './group-ender.ts';
import { GroupWords } from './group-words.ts';

const block = controlBlock(newSharedMemory().control);
let thread: GroupWords;
let ender: GroupEnder;
let child: ChildProcess | null;
beforeEach(() => {
  thread = new GroupWords(block);
  ender = new GroupEnder(block);
  ender.reset();
  block.words[WORD.completed] = 3;
  child = null;
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await ender.close();
});

/** Starts a process as the thread does, for the task at position 3. Resolves with the signal that ends it. */
function start(): Promise<NodeJS.Signals | null> {
  thread.starting();
  child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  thread.started(child.pid!);
  return once(child, 'exit').then(([, signal]) => {
    thread.ended();
    return signal;
  });
}

describe('the end of a process group', () => {
  test('is wanted of one task, with a reason of any length', () => {
    ender.end(3, { why: 'timedOut', message: `zu lang: ${'ä'.repeat(5_000)}` });
    expect(thread.verdict(2)).toBeNull();
    expect(thread.verdict(4)).toBeNull();
    const { why, message } = thread.verdict(3)!;
    expect(why).toBe('timedOut');
    expect(message).toMatch(/^zu lang: ä+$/);
    ender.reset();
    expect(thread.verdict(3)).toBeNull();
  });

  test('comes with SIGTERM, and with SIGKILL when it is wanted again', async () => {
    const ended = start();
    ender.end(3, { why: 'cancelled', message: 'enough' });
    expect(await ended).toBe('SIGTERM');
    const again = start();
    child!.kill('SIGSTOP');
    ender.end(3, { why: 'cancelled', message: 'enough' });
    expect(await again).toBe('SIGKILL');
  });

  test('does not reach the process of another task', async () => {
    const ended = start();
    ender.end(2, { why: 'cancelled', message: 'late' });
    expect(child!.exitCode).toBeNull();
    expect(thread.verdict(3)).toBeNull();
    child!.kill('SIGINT');
    expect(await ended).toBe('SIGINT');
  });

  test('comes by a time limit of its own', async () => {
    const ended = start();
    ender.limit(3, 10);
    expect(await ended).toBe('SIGTERM');
    expect(thread.verdict(3)).toEqual({ why: 'limit', message: '' });
  });

  test('comes with that of the thread', async () => {
    const ended = start();
    ender.abandon();
    expect(await ended).toBe('SIGKILL');
    expect(ender.isBusy).toBe(false);
  });

  test('is waited for when the Drone ends, and nothing is started after it', async () => {
    const ended = start();
    await ender.close();
    expect(await ended).toBe('SIGKILL');
    expect(thread.verdict(77)).toMatchObject({ why: 'cancelled', message: 'The Drone was stopped.' });
  });
});
