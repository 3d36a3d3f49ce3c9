/**
 * A thread must not be ended while it is in native code that makes values of the engine (koffi): an exception that cannot be
 * thrown any more ends the whole process, and with it every task of the Drone. So a thread passes a door to go in there, and
 * who ends the thread closes the door and waits until nobody is behind it.
 *
 * Entering: the thread stores `isInside`, then loads `isClosed`; if it is closed it steps back and rests for good. Closing: the
 * main thread stores `isClosed`, then loads `isInside`. Both are sequentially consistent, so at least one sees the other's word.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const IS_INSIDE = 0;
const IS_CLOSED = 1;
/** A thread is behind the door for microseconds, unless it waits for a process, which is ended first. */
const LOOK_MILLIS = 1;

export type Door = Int32Array<SharedArrayBuffer>;
export const newDoor = (): Door => new Int32Array(new SharedArrayBuffer(8));

/** The thread's side: calls what must not be cut short. Never returns once the door is closed. */
export function through<T>(door: Door, call: () => T): T {
  Atomics.store(door, IS_INSIDE, 1);
  if (Atomics.load(door, IS_CLOSED) === 1) {
    Atomics.store(door, IS_INSIDE, 0);
    // Whoever has closed it ends this thread.
    for (;;) Atomics.wait(door, IS_CLOSED, 1);
  }
  try {
    return call();
  } finally {
    Atomics.store(door, IS_INSIDE, 0);
  }
}

/** The main thread's side: nobody enters any more. Null if nobody is inside either, else when the last one has left. */
export function closeDoor(door: Door): Promise<void> | null {
  Atomics.store(door, IS_CLOSED, 1);
  return Atomics.load(door, IS_INSIDE) === 0 ? null : whenLeft(door);
}

async function whenLeft(door: Door): Promise<void> {
  while (Atomics.load(door, IS_INSIDE) !== 0) await sleep(LOOK_MILLIS);
}
