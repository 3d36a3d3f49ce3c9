/** For tests: a client and a fake Queen, both gone at the end, with every socket and timer that they had. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../connect.ts';
import type { Hive } from '../hive.ts';
import { type FakeOptions, FakeQueen } from './fake-queen.ts';

/** What is there for so long after its end is left behind. */
const LEFT_MILLIS_MAX = 10_000;
const HANDLES = ['TCPSocketWrap', 'TCPServerWrap', 'TCPConnectWrap', 'Timeout', 'FSReqPromise'];

/** What keeps this process alive, by kind. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => HANDLES.includes(name));
}

/** A turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function withFake(
  options: FakeOptions,
  run: (queen: FakeQueen, hive: Hive) => Promise<void>,
): Promise<void> {
  const before = handles();
  const queen = await new FakeQueen(options).listen();
  const hive = await connect({ queen: queen.address, insecure: true, name: 'test' });
  try {
    await run(queen, hive);
  } finally {
    await hive.close();
    await queen.close();
  }
  // Sockets are reported for a few turns after they have closed, files as long as their thread takes.
  const giveUpAt = performance.now() + LEFT_MILLIS_MAX;
  while (handles().length > before.length && performance.now() < giveUpAt) await sleep(1);
  const left = handles();
  if (left.length > before.length)
    throw new Error(`left behind: ${left.join(', ')}; before: ${before.join(', ')}`);
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not reject');
}

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

export function* count(end: number): Generator<number> {
  for (let i = 0; i < end; i++) yield i;
}
