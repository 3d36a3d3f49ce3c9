/** Tasks that submit work on a Drone that cannot dial: its Queen dials it once more for each of them. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect, type Hive } from '@hive/client';
import { startDrone } from '@hive/drone';
import { startQueen } from '@hive/queen';
import { formatAddress, formatKey, Keyring, LOOPBACK, newSecret, PeerKey } from '@hive/shared/node';
import { expect, test } from '@jest/globals';

const TASKS = pathToFileURL(join(import.meta.dirname, '../../client/src/testing/tasks/nested.task.ts')).href;

/** Starts a Drone that waits to be dialled. Resolves with its port. */
async function listening(stack: AsyncDisposableStack, keys: Keyring | null): Promise<number> {
  const listen = { host: LOOPBACK, first: 20_000, last: 60_000 };
  return new Promise((resolve) => {
    const key =
      keys === null ? { insecure: true } : { key: formatKey(PeerKey.from(keys.valid[0]!, 'drone', 'abc')) };
    const drone = startDrone({
      ...key,
      listen,
      slots: 2,
      onEvent: (event) => {
        if (event.type === 'listening') resolve(event.address.port);
      },
    });
    stack.defer(async () => void (await drone.stop({ drain: false })));
  });
}

/** A Queen that dials it, and a client of hers. */
async function queenFor(stack: AsyncDisposableStack, port: number, keys: Keyring | null): Promise<Hive> {
  const scan = [{ host: LOOPBACK, first: port, last: port }];
  const queen = await startQueen({ port: 0, scan, ...(keys === null ? { insecure: true } : { keys }) });
  stack.defer(() => queen.stop());
  const key = keys === null ? { insecure: true } : { key: keys.nodeKey() };
  return stack.use(await connect({ queen: formatAddress(queen.address), ...key }));
}

test.each([
  ['with keys', () => Keyring.of(newSecret())],
  ['without', () => null],
])('%s: their Queen is reached, however many of them there are', async (_, keysOf) => {
  await using stack = new AsyncDisposableStack();
  const keys = keysOf();
  const hive = await queenFor(stack, await listening(stack, keys), keys);
  const numbers = Array.from({ length: 8 }, (_, n) => n + 1);
  const sums = numbers.map((n) => n * (n - 1));
  expect(await hive.map(`${TASKS}#sumOfDoubles`, numbers, { nested: true, retries: 0 })).toEqual(sums);
  const several = { nested: true, concurrency: 4, retries: 0 } as const;
  expect(await hive.map(`${TASKS}#sumOfDoubles`, numbers, several)).toEqual(sums);
  expect(await hive.map(`${TASKS}#leaves`, [2], { nested: true, retries: 0 })).toEqual([4]);
});

test('whoever of several Queens it was', async () => {
  await using stack = new AsyncDisposableStack();
  const keys = Keyring.of(newSecret());
  const port = await listening(stack, keys);
  const hives = [await queenFor(stack, port, keys), await queenFor(stack, port, keys)];
  const all = hives.map((hive) =>
    // One whose connection another Queen has taken is tried again.
    hive.map(`${TASKS}#sumOfDoubles`, [4, 5, 6], { nested: true, retries: 20, backoff: 0 }),
  );
  for (const sums of all) expect(await sums).toEqual([12, 20, 30]);
});
