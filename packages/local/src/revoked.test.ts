/** What the holders of a key notice when it is revoked while they are at work. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@hive/client';
import { startDrone } from '@hive/drone';
import { startQueen } from '@hive/queen';
import { formatAddress, formatKey, Generation, Keyring, PeerKey } from '@hive/shared/node';
import { expect, test } from '@jest/globals';

/** Between two questions: to ask all the time would take the time of those who are asked. */
const LOOK_MILLIS = 10;

const generation = new Generation(1, new Uint8Array(32).fill(7));
const key = (role: 'client' | 'drone' | 'observer', keyId: string) =>
  formatKey(PeerKey.from(generation, role, keyId));

test('a client is told, and whatever it waits for fails; a Drone tries on; others get their results', async () => {
  await using stack = new AsyncDisposableStack();
  const keys = Keyring.of([generation]);
  const queen = await startQueen({ port: 0, keys });
  stack.defer(() => queen.stop());
  const address = formatAddress(queen.address);
  const owner = stack.use(await connect({ queen: address, key: keys.nodeKey() }));
  const client = stack.use(await connect({ queen: address, key: key('client', 'bob') }));
  const call = client.call('echo', 1).then(
    () => 'answered',
    (error: Error & { code?: string }) => error,
  );
  while ((await owner.jobs({ hidden: true })).length === 0) await sleep(LOOK_MILLIS);
  expect(await owner.revokeKey('bob')).toEqual({ key: 'bob', sessions: 1 });
  const error = await call;
  expect(error).toMatchObject({ code: 'badKey', message: expect.stringContaining('revoked or retired') });
  await expect(client.status()).rejects.toMatchObject({ code: 'badKey' });

  const reasons: string[] = [];
  let refused = () => {};
  const whenRefused = new Promise<void>((resolve) => {
    refused = resolve;
  });
  let joined = () => {};
  const whenJoined = new Promise<void>((resolve) => {
    joined = resolve;
  });
  const drone = startDrone({
    queens: () => [queen.address],
    key: key('drone', 'attic'),
    slots: 1,
    onEvent: (event) => {
      if (event.type === 'connected') joined();
      if (event.type !== 'disconnected') return;
      reasons.push(event.reason);
      if (event.reason.includes('is refused there')) refused();
    },
  });
  stack.defer(async () => void (await drone.stop({ drain: false })));
  await whenJoined;
  expect(await owner.call('echo', 2)).toBe(2);
  expect(await owner.revokeKey('attic')).toEqual({ key: 'attic', sessions: 1 });
  await whenRefused;
  expect(await owner.drones()).toEqual([]);
  expect((await owner.revokedKeys()).map(({ id }) => id)).toEqual(['attic', 'bob']);
});

test('an observer sees, and every wish to change something is refused in words', async () => {
  await using stack = new AsyncDisposableStack();
  const queen = await startQueen({ port: 0, keys: Keyring.of([generation]) });
  stack.defer(() => queen.stop());
  const observer = stack.use(
    await connect({ queen: formatAddress(queen.address), key: key('observer', 'wall') }),
  );
  expect(await observer.status()).toMatchObject({ drones: 0 });
  for await (const overview of observer.watch(250)) {
    expect(overview).toHaveProperty('status');
    break;
  }
  for (const wish of [
    observer.call('echo', 1),
    observer.map('echo', [1]).all(),
    observer.submit({ kind: 'echo', inputs: [1] }),
    observer.cancel('01890000-0000-7000-8000-000000000001'),
    observer.gc(),
    observer.rotateKeys(),
  ])
    await expect(wish).rejects.toMatchObject({ code: 'notPermitted' });
  await expect(connect({ queen: '127.0.0.1:1', key: key('drone', 'x') })).rejects.toMatchObject({
    code: 'badKey',
  });
});
