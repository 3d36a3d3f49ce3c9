import { UsageError } from '@hive/shared';
import { accessOf, randomPeerId } from '@hive/shared/node';
import { expect, test } from '@jest/globals';
import { Deferred } from './deferred.ts';
import { localHive } from './local.ts';
import { Router } from './router.ts';
import { finderFor } from './search.ts';
import { FakeQueen } from './testing/fake-queen.ts';
import { rejection } from './testing/with-fake.ts';

async function routerOf(queen: FakeQueen): Promise<Router> {
  const access = accessOf({ insecure: true }, 'client');
  const finder = finderFor({ queen: queen.address, discoveryPort: 0 }, access);
  const router = new Router(finder, { peer: randomPeerId(), name: 'test', access }, true);
  await router.open(4_000);
  return router;
}

test('when the thread of a local Hive dies, whatever waits is refused, and so is what comes later', async () => {
  const queen = await new FakeQueen().listen();
  queen.isHolding = true;
  const lost = new Deferred<UsageError | null>();
  let stops = 0;
  const stop = async () => void stops++;
  const hive = localHive(await routerOf(queen), {
    address: queen.address,
    key: '',
    ended: lost.promise,
    stop,
  });
  const call = rejection(hive.call('echo', 1));
  const map = rejection(hive.map('echo', [1, 2]).all());
  await queen.until(() => queen.jobs.size === 2);
  lost.resolve(new UsageError('The Queen and Drones of this process have ended unasked.', 'localLost'));
  expect(await call).toMatchObject({ code: 'localLost' });
  expect(await map).toMatchObject({ code: 'localLost' });
  expect(await rejection(hive.call('echo', 1))).toMatchObject({ code: 'localLost' });
  await hive.close();
  expect(stops).toBe(1);
  await queen.until(() => queen.clients.size === 0);
  await queen.close();
});
