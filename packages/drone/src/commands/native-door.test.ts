/** A thread is never ended behind the door, and goes behind it no more once it is to be ended. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import { closeDoor, type Door, newDoor } from './native-door.ts';

function start(door: Door): { thread: Worker; gate: Int32Array; said: string[] } {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Worker(new URL('../testing/door-thread.ts', import.meta.url), {
    workerData: { door, gate },
  });
  const said: string[] = [];
  thread.on('message', (text: string) => said.push(text));
  return { thread, gate, said };
}

test('who ends a thread waits until it has left, and it does not enter again', async () => {
  const door = newDoor();
  const { thread, gate, said } = start(door);
  await once(thread, 'message');
  const left = closeDoor(door);
  expect(left).not.toBeNull();
  let hasLeft = false;
  void left!.then(() => {
    hasLeft = true;
  });
  // Behind the door, however often it is looked at.
  for (let look = 0; look < 20; look++) await new Promise((resolve) => setImmediate(resolve));
  expect(hasLeft).toBe(false);
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  await left;
  if (!said.includes('left')) await once(thread, 'message');
  expect(await thread.terminate()).toBe(1);
  expect(said).toEqual(['inside', 'left']);
});

test('a thread that comes to a closed door rests until it is ended', async () => {
  const door = newDoor();
  expect(closeDoor(door)).toBeNull();
  const { thread, said } = start(door);
  await once(thread, 'online');
  expect(await thread.terminate()).toBe(1);
  expect(said).toEqual([]);
});

test('an open door costs nothing but a look', async () => {
  const door = newDoor();
  const { thread, gate, said } = start(door);
  Atomics.store(gate, 0, 1);
  await once(thread, 'exit');
  expect(said).toEqual(['inside', 'left', 'inside again']);
  expect(closeDoor(door)).toBeNull();
});
