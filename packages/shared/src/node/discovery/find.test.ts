import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { randomIncarnation, randomQueenId } from '../random-id.ts';
import { DiscoveryAnnouncer, type QueenInfo } from './announcer.ts';
import { distinct, type FinderOptions, QueenFinder } from './find.ts';
import { seedSigner } from './keys.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const signer = seedSigner(Buffer.alloc(32, 7));
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

let ports = 0;
/** A UDP port below those that the system gives away, so that nobody else gets it meanwhile. */
const freeUdpPort = (): number => 10_000 + ((process.pid * 32 + ports++) % 20_000);
async function queenAt(port: number, tcp: number, more: Partial<QueenInfo> = {}): Promise<QueenInfo> {
  const own = { queen: randomQueenId(), incarnation: randomIncarnation(), epoch: 1, name: 'q' };
  const info = { ...own, port: tcp, ...more };
  const announcer = new DiscoveryAnnouncer(info, { signers: () => [signer], port, reach: 'loopback' });
  closers.push(() => announcer.close());
  await announcer.start();
  return info;
}
function finderOf(port: number, more: Partial<FinderOptions> = {}): QueenFinder {
  const discovery = { verifier: () => signer, port, reach: 'loopback' as const };
  const finder = new QueenFinder({ known: () => [], isNamed: false, discovery, ...more });
  closers.push(() => finder.close());
  return finder;
}
const portsOf = (places: readonly { address: { port: number } }[]) =>
  places.map(({ address }) => address.port);

describe('who looks for a Queen', () => {
  test('hears where she is, and where she has gone', async () => {
    const port = freeUdpPort();
    const info = await queenAt(port, 4001);
    const finder = finderOf(port);
    expect(portsOf(await finder.discovered(10_000))).toEqual([4001]);
    finder.reached(info.queen, { host: '127.0.0.1', port: 4001 });
    await queenAt(port, 4002, { queen: info.queen, epoch: 2 });
    while (portsOf(await finder.discovered(0))[0] !== 4002) await sleep(LOOK_MILLIS);
  });

  test('and has named one wants no other, but follows her', async () => {
    const port = freeUdpPort();
    await queenAt(port, 4001);
    const own = await queenAt(port, 4002);
    const finder = finderOf(port, { isNamed: true });
    expect(await finder.discovered(0)).toEqual([]);
    expect(finder.stats).toBeNull();
    finder.reached(own.queen);
    while ((await finder.discovered(10_000)).length === 0) await sleep(LOOK_MILLIS);
    expect(portsOf(await finder.discovered(0))).toEqual([4002]);
  });

  test('without discovery finds nobody that way; with nobody there it ends in time', async () => {
    const port = freeUdpPort();
    expect(await finderOf(port, { discovery: null }).discovered(10_000)).toEqual([]);
    expect(await finderOf(port).discovered(20)).toEqual([]);
    expect(await finderOf(port).discovered(60_000, AbortSignal.timeout(20))).toEqual([]);
  });

  test('hears again after a rest', async () => {
    const port = freeUdpPort();
    await queenAt(port, 4001);
    const finder = finderOf(port);
    expect(await finder.discovered(10_000)).toHaveLength(1);
    await finder.rest();
    expect(finder.stats).toBeNull();
    expect(await finder.discovered(10_000)).toHaveLength(1);
  });

  test('scans, and does not come back to what was no Queen', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
    const { port } = server.address() as AddressInfo;
    const scan = [{ host: '127.0.0.1', first: port, last: port }];
    const finder = finderOf(0, { discovery: null, scan });
    expect(portsOf(await finder.scanned())).toEqual([port]);
    finder.failed({ host: '127.0.0.1', port });
    expect(await finder.scanned()).toEqual([]);
    expect(await finderOf(0, { discovery: null }).scanned()).toEqual([]);
  });
});

test('places are named once, by who said so first', () => {
  const [a, b] = [1, 2].map((port) => ({ address: { host: 'h', port }, source: 'one' }));
  expect(distinct([a!, b!, { ...a!, source: 'two' }])).toEqual([a, b]);
});
