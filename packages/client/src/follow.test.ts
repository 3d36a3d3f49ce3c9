/** A client whose Queen comes back elsewhere goes on there, and one who named a Queen takes no other. */
import { type QueenId, UsageError } from '@hive/shared';
import {
  DiscoveryAnnouncer,
  parseAddress,
  QueenFinder,
  randomIncarnation,
  randomPeerId,
  seedSigner,
} from '@hive/shared/node';
import { afterEach, expect, test } from '@jest/globals';
import { Router } from './router.ts';
import { FakeQueen } from './testing/fake-queen.ts';
import { rejection, turn } from './testing/with-fake.ts';

const keys = seedSigner(Buffer.alloc(32, 3));
const access = () => ({ kind: 'insecure', isForced: false }) as const;
const who = { peer: randomPeerId(), name: 'follower', access };
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

let ports = 0;
/** A UDP port below those that the system gives away, so that nobody else gets it meanwhile. */
const freeUdpPort = (): number => 10_000 + ((process.pid * 32 + ports++) % 20_000);
async function announce(queen: QueenId, tcp: number, port: number): Promise<void> {
  const info = { queen, incarnation: randomIncarnation(), epoch: 1, name: 'fake', port: tcp };
  const announcer = new DiscoveryAnnouncer(info, { signers: () => [keys], port, reach: 'loopback' });
  closers.push(() => announcer.close());
  await announcer.start();
}
async function fakeQueen(): Promise<FakeQueen> {
  const queen = await new FakeQueen().listen();
  closers.push(() => queen.close());
  return queen;
}
function routerTo(address: string | null, port: number): Router {
  const known = address === null ? [] : [{ address: parseAddress(address), source: 'named' }];
  const discovery = { verifier: () => keys, port, reach: 'loopback' as const };
  const finder = new QueenFinder({ known: () => known, isNamed: address !== null, discovery });
  const router = new Router(finder, who);
  closers.push(() => router.close());
  return router;
}

test('a client without an address finds a Queen that announces herself', async () => {
  const port = freeUdpPort();
  const queen = await fakeQueen();
  await announce('0'.repeat(32) as QueenId, queen.port, port);
  const router = routerTo(null, port);
  await router.open(10_000);
  expect(queen.clients.size).toBe(1);
});

test('a client follows the Queen that it named to another port', async () => {
  const port = freeUdpPort();
  const queen = await fakeQueen();
  const router = routerTo(queen.address, port);
  await router.open(10_000);
  const before = router.welcome!;
  const old = queen.port;
  await queen.close();
  const queenOf = () => router.welcome?.queen ?? null;
  while (queenOf() !== null || queen.clients.size > 0) await turn();
  queen.port = 0;
  while (queen.port === 0 || queen.port === old) await queen.listen();
  await announce(before.queen, queen.port, port);
  await queen.until(() => queen.clients.size === 1);
  while (queenOf() === null) await turn();
  expect(queenOf()).toBe(before.queen);
});

test('a client that named a Queen takes no other that is there, and says what it tried', async () => {
  const port = freeUdpPort();
  const other = await fakeQueen();
  await announce('0'.repeat(32) as QueenId, other.port, port);
  const error = await rejection(routerTo('127.0.0.1:1', port).open(10_000));
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message).toMatch(
    /^No Queen answered\. Tried:\n {2}127\.0\.0\.1:1 \(named\): nothing listens there/,
  );
  expect(other.heard).toEqual([]);
});

test('a client that nobody answers says that it has asked the network, too', async () => {
  const error = await rejection(routerTo(null, freeUdpPort()).open(10_000));
  expect(error.message).toMatch(
    /the network: no Queen of this cluster has answered; "hive doctor" says more/,
  );
});
