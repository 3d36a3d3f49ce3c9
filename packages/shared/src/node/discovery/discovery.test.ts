import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  DATAGRAM_VERSION,
  decodeAnnouncement,
  encodeAnnouncement,
  encodeQuestion,
} from '../../discovery/datagram.ts';
import type { KnownQueen } from '../../discovery/directory.ts';
import { LIMITS } from '../../limits.ts';
import { randomIncarnation, randomQueenId } from '../random-id.ts';
import { DiscoveryAnnouncer, type QueenInfo } from './announcer.ts';
import { reachOf, waysOut } from './interfaces.ts';
import { seedSigner } from './keys.ts';
import { DiscoverySeeker } from './seeker.ts';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const signer = seedSigner(Buffer.alloc(32, 1));
const stranger = seedSigner(Buffer.alloc(32, 2));
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

let ports = 0;
/** A UDP port below those that the system gives away, so that nobody else gets it meanwhile. */
const freePort = (): number => 10_000 + ((process.pid * 32 + ports++) % 20_000);
async function announce(port: number, more: Partial<QueenInfo> = {}, keys = signer, everyMillis = 60_000) {
  const info = {
    queen: randomQueenId(),
    incarnation: randomIncarnation(),
    epoch: 1,
    name: 'q',
    port: 4711,
    ...more,
  };
  const announcer = new DiscoveryAnnouncer(info, {
    signers: () => [keys],
    port,
    everyMillis,
    reach: 'loopback',
  });
  closers.push(() => announcer.close());
  await announcer.start();
  return { announcer, info };
}
class Seen {
  readonly come: KnownQueen[] = [];
  readonly gone: KnownQueen[] = [];
  #wake: (() => void)[] = [];
  readonly onQueen = (queen: KnownQueen) => this.#note(this.come, queen);
  readonly onGone = (queen: KnownQueen) => this.#note(this.gone, queen);
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
  #note(list: KnownQueen[], queen: KnownQueen): void {
    list.push(queen);
    for (const wake of this.#wake.splice(0)) wake();
  }
}
async function seek(port: number, keys = signer) {
  const seen = new Seen();
  const { onQueen, onGone } = seen;
  const seeker = new DiscoverySeeker({
    verifier: () => keys,
    port,
    reach: 'loopback',
    onQueen,
    onGone,
    everyMillis: 200,
  });
  closers.push(() => seeker.close());
  await seeker.start();
  return { seeker, seen };
}
/** Somebody who sends and hears what they like. */
async function anybody() {
  const socket = createSocket('udp4');
  const heard: Buffer[] = [];
  let wake = () => {};
  socket.on('message', (datagram) => {
    heard.push(datagram);
    wake();
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setBroadcast(true);
  closers.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return {
    heard,
    send: (bytes: Uint8Array, port: number) =>
      new Promise<void>((resolve) => socket.send(bytes, port, '127.255.255.255', () => resolve())),
    next: async () => {
      while (heard.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return heard.shift()!;
    },
  };
}
/** Waits for a condition that nobody tells of. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(LOOK_MILLIS);
}

describe('a newcomer', () => {
  test('asks, and knows at once who is there', async () => {
    const port = freePort();
    const { announcer, info } = await announce(port);
    const { seeker } = await seek(port);
    const [queen] = await seeker.find(10_000);
    const { port: tcp, ...same } = info;
    expect(queen).toEqual({ ...same, addresses: [{ host: '127.0.0.1', port: tcp }] });
    expect(announcer.stats).toMatchObject({ limited: 0, forged: 0, foreign: 0, deaf: null });
  });

  test('hears of a Queen who starts later, by her announcement', async () => {
    const port = freePort();
    const { seen } = await seek(port);
    const { info } = await announce(port);
    await seen.until(() => seen.come.length === 1);
    expect(seen.come).toMatchObject([{ queen: info.queen }]);
  });

  test('hears of two Queens on one machine with one port, who both answer', async () => {
    const port = freePort();
    const first = await announce(port);
    const second = await announce(port, { port: 4712 });
    expect([first.announcer.stats.deaf, second.announcer.stats.deaf]).toEqual([null, null]);
    const { seeker, seen } = await seek(port);
    await seen.until(() => seen.come.length === 2);
    expect(new Set(seeker.queens().map(({ queen }) => queen))).toEqual(
      new Set([first.info.queen, second.info.queen]),
    );
    await until(() => first.announcer.stats.answered > 0 && second.announcer.stats.answered > 0);
  });

  test('is told when a Queen is silent for too long, and when she has moved', async () => {
    const port = freePort();
    const { announcer, info } = await announce(port, {}, signer, LIMITS.announceMillisMin);
    const { seeker, seen } = await seek(port);
    await seen.until(() => seen.come.length > 0);
    await announcer.close();
    await seen.until(() => seeker.queens().length === 0);
    expect(seen.gone.length).toBeGreaterThan(0);
    await announce(port, { queen: info.queen, epoch: 2, port: 4799 });
    await seen.until(() => seeker.queens().length === 1);
    expect(seen.come.at(-1)).toMatchObject({ epoch: 2, addresses: [{ port: 4799 }] });
  });

  test('knows nothing of another cluster in the same network', async () => {
    const port = freePort();
    const own = await announce(port);
    const other = await announce(port, {}, stranger);
    const { seeker, seen } = await seek(port);
    await seen.until(() => seen.come.length === 1);
    await until(() => other.announcer.stats.foreign >= 1);
    await announce(port, { name: 'third' }, stranger);
    await until(() => seeker.stats.foreign >= 1);
    expect(seeker.queens()).toMatchObject([{ queen: own.info.queen }]);
    expect(other.announcer.stats.answered).toBe(0);
  });
});

describe('datagrams that lie', () => {
  const lie = (serial: number, keys = stranger) =>
    encodeAnnouncement(
      {
        cluster: signer.cluster,
        queen: randomQueenId(),
        incarnation: randomIncarnation(),
        epoch: 1,
        serial,
        port: 6666,
        everyMillis: 5_000,
        name: 'false',
      },
      keys,
    );

  test('are counted and forgotten: forged, replayed, an answer to nobody, noise', async () => {
    const port = freePort();
    const { seeker, seen } = await seek(port);
    const someone = await anybody();
    await someone.send(lie(1), port);
    await until(() => seeker.stats.forged === 1);
    const true1 = lie(1, signer);
    await someone.send(true1, port);
    await seen.until(() => seen.come.length === 1);
    for (let n = 0; n < 5; n++) await someone.send(true1, port);
    await until(() => seeker.stats.replayed === 5);
    const { announcement } = decodeAnnouncement(lie(9, signer))!;
    await someone.send(encodeAnnouncement({ ...announcement, nonce: Buffer.alloc(16) }, signer), port);
    await until(() => seeker.stats.replayed === 6);
    await someone.send(Buffer.from('hello'), port);
    await someone.send(Buffer.alloc(60_000), port);
    await someone.send(lie(1), port);
    await until(() => seeker.stats.forged === 2);
    expect(seen.come).toHaveLength(1);
  });

  test('by the thousand cost no more signature checks than the limits allow', async () => {
    const port = freePort();
    const { seeker } = await seek(port);
    const someone = await anybody();
    const startedAt = performance.now();
    for (let n = 0; n < 500; n++) await someone.send(lie(n), port);
    await until(() => seeker.stats.limited > 0);
    const seconds = (performance.now() - startedAt) / 1_000;
    expect(seeker.stats.forged).toBeLessThanOrEqual((2 + seconds) * LIMITS.verifiesPerAddress);
  });
});

describe('a Queen', () => {
  test('answers a flood of questions no more than the limits allow, each with less than was asked', async () => {
    const port = freePort();
    const { announcer } = await announce(port);
    const someone = await anybody();
    const startedAt = performance.now();
    for (let n = 0; n < 100; n++) {
      const nonce = Buffer.alloc(16);
      nonce.writeUInt32BE(n);
      await someone.send(encodeQuestion({ cluster: signer.cluster, nonce }), port);
    }
    await until(
      () => announcer.stats.limited > 0 && announcer.stats.answered + announcer.stats.limited === 100,
    );
    const seconds = (performance.now() - startedAt) / 1_000;
    expect(announcer.stats.answered).toBeLessThanOrEqual((2 + seconds) * LIMITS.answersPerAddress);
    const answer = await someone.next();
    expect(answer.length).toBeLessThanOrEqual(LIMITS.datagramBytes);
    expect(decodeAnnouncement(answer)!.announcement).toMatchObject({ port: 4711 });
  });

  test('does not answer noise, nor a question twice', async () => {
    const port = freePort();
    const { announcer } = await announce(port);
    const someone = await anybody();
    const question = encodeQuestion({ cluster: signer.cluster, nonce: Buffer.alloc(16, DATAGRAM_VERSION) });
    await someone.send(Buffer.alloc(LIMITS.datagramBytes), port);
    await someone.send(question.subarray(1), port);
    await someone.send(question, port);
    await someone.send(question, port);
    await someone.send(Buffer.alloc(LIMITS.datagramBytes), port);
    await until(() => announcer.stats.forged === 2);
    expect(announcer.stats.answered).toBe(1);
  });

  test('goes on without hearing when somebody has the port for itself', async () => {
    const greedy = createSocket('udp4');
    greedy.bind(0);
    await once(greedy, 'listening');
    closers.push(() => new Promise<void>((resolve) => greedy.close(() => resolve())));
    const { announcer } = await announce(greedy.address().port);
    expect(announcer.stats).toMatchObject({ deaf: expect.stringMatching(/EADDRINUSE/) });
    expect(announcer.stats.sent).toBeGreaterThan(0);
  });
});

describe('ways out', () => {
  const info = (address: string, netmask: string, internal = false) => ({
    address,
    netmask,
    internal,
    family: 'IPv4' as const,
    mac: '',
    cidr: null,
  });
  const interfaces = {
    lo: [info('127.0.0.1', '255.0.0.0', true)],
    eth0: [info('10.1.2.3', '255.255.240.0')],
    ppp0: [info('10.9.9.9', '255.255.255.255')],
  };

  test('have the broadcast address that their mask says', () => {
    expect(waysOut('everywhere', interfaces)).toMatchObject([
      { name: 'lo', broadcast: '127.255.255.255', isLoopback: true },
      { name: 'eth0', broadcast: '10.1.15.255' },
      { name: 'ppp0', broadcast: null },
    ]);
  });

  test('go only as far as the Queen can be dialled', () => {
    const names = (host: string) => waysOut(reachOf(host), interfaces).map(({ name }) => name);
    expect(names('127.0.0.1')).toEqual(['lo']);
    expect(names('10.1.2.3')).toEqual(['eth0']);
    expect(names('0.0.0.0')).toEqual(['lo', 'eth0', 'ppp0']);
    expect(names('::1')).toEqual([]);
  });
});
