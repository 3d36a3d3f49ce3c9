import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { frameNamed } from '../../../test/wire-fixtures.ts';
import type { Message } from '../../messages.ts';
import { Session } from '../../session.ts';
import { Connection } from '../connection.ts';
import { Generation } from './derive.ts';
import { secureLine } from './line.ts';
import { PeerKey } from './peer-key.ts';
import { exportKeys, secureAsPeer, secureAsQueen } from './tls.ts';

const generation = new Generation(1, new Uint8Array(32).fill(7));
const key = PeerKey.from(generation, 'drone', 'abc');
let server: Server;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = createServer({ noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** Two ends of a connection: the one that dialled, the one that was dialled. */
async function wire(): Promise<[Socket, Socket]> {
  const coming = once(server, 'connection');
  const dialled = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  const [accepted] = (await coming) as [Socket];
  sockets.push(dialled, accepted);
  return [dialled, accepted];
}
async function secured(isQueenDialling = false): Promise<{ queen: TLSSocket; peer: TLSSocket }> {
  const [dialled, accepted] = await wire();
  const [ofQueen, ofPeer] = isQueenDialling ? [dialled, accepted] : [accepted, dialled];
  const [{ socket, identity }, peer] = await Promise.all([
    secureAsQueen(ofQueen, (claimed) => generation.key(claimed)),
    secureAsPeer(ofPeer, key),
  ]);
  expect(identity).toEqual({ generation: 1, role: 'drone', keyId: 'abc' });
  return { queen: socket, peer };
}

test.each([false, true])(
  'both ends agree on TLS 1.3, the suite and the exporter; the Queen dialled: %s',
  async (dialled) => {
    const { queen, peer } = await secured(dialled);
    for (const end of [queen, peer]) {
      expect(end.getProtocol()).toBe('TLSv1.3');
      expect(end.getCipher().name).toBe('TLS_AES_128_GCM_SHA256');
    }
    expect(exportKeys(queen, 'welcome')).toEqual(exportKeys(peer, 'welcome'));
    expect(exportKeys(queen, 'welcome')).not.toEqual(exportKeys(queen, 'other'));
    const other = await secured(dialled);
    expect(exportKeys(other.queen, 'welcome')).not.toEqual(exportKeys(queen, 'welcome'));
  },
);

test('what is sent in one turn, however large, is one write to TLS, and arrives whole', async () => {
  const { queen, peer } = await secured();
  const open = (socket: Socket, from: 'queen' | null, message: (message: Message) => void) => {
    const session = new Session(from);
    session.open('drone');
    return new Connection(socket, session, { message, closed: () => {} });
  };
  const heard: Message[] = [];
  const said = new Promise<void>((resolve) => {
    open(peer, 'queen', (message) => {
      heard.push(message);
      if (message.type === 'Drain') resolve();
    });
  });
  const sender = open(queen, null, () => {});
  const writes = countWrites(queen);
  const { message } = frameNamed('TaskAssign') as { message: Message<'TaskAssign'> };
  const data = new Uint8Array(300_000).map((_, i) => i);
  for (let n = 1; n <= 50; n++) sender.send({ type: 'ResultAck', leases: [n, n] });
  expect(writes()).toBe(0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes()).toBe(1);
  for (let n = 0; n < 3; n++) sender.send({ ...message, sizes: 1, data });
  for (let n = 1; n <= 50; n++) sender.send({ type: 'ResultAck', leases: [n, n] });
  sender.send({ type: 'Drain' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(writes()).toBe(2);
  await said;
  expect(heard.filter(({ type }) => type === 'ResultAck')).toHaveLength(100);
  for (const one of heard) if (one.type === 'TaskAssign') expect(Buffer.compare(one.data!, data)).toBe(0);
});

test('an error after the handshake closes both ends', async () => {
  const [dialled, accepted] = await wire();
  const [{ socket }, peer] = await Promise.all([
    secureAsQueen(accepted, (claimed) => generation.key(claimed)),
    secureAsPeer(dialled, key),
  ]);
  const closed = [socket, peer].map((end) => {
    end.on('error', () => {});
    return new Promise((resolve) => end.once('close', resolve));
  });
  // What a stranger who can write into the line, but has no key, would do.
  writeBeneath(dialled, 'GARBAGE GARBAGE GARBAGE');
  await Promise.all(closed);
});

test('a peer is not fooled by who has no key, and its socket is closed', async () => {
  const [dialled, accepted] = await wire();
  accepted.write('HTTP/1.1 400 Bad Request\r\n\r\n');
  await expect(secureAsPeer(dialled, key)).rejects.toMatchObject({ code: 'noTls' });
  expect(dialled.destroyed).toBe(true);
  const [again, other] = await wire();
  other.end();
  await expect(secureAsPeer(again, key)).rejects.toThrow(/closed|disconnected/i);
});

test('an insecure line believes any Welcome, a secured one only what a Queen signed', async () => {
  const [dialled] = await wire();
  const { message } = frameNamed('Welcome') as { message: Message<'Welcome'> };
  const plain = await secureLine(dialled, { kind: 'insecure', isForced: false });
  expect([plain.socket === dialled, plain.verify(message)]).toEqual([true, true]);
  const [near, far] = await wire();
  const [line] = await Promise.all([
    secureLine(near, { kind: 'key', key }),
    secureAsQueen(far, (claimed) => generation.key(claimed)),
  ]);
  expect(line.verify(message)).toBe(false);
});

interface Handle {
  [name: string]: (...args: unknown[]) => unknown;
}
/** How often TLS was handed something to write. */
function countWrites(socket: TLSSocket): () => number {
  const handle = (socket as unknown as { _handle: Handle })._handle;
  let count = 0;
  for (const name of ['writev', 'writeBuffer', 'writeLatin1String', 'writeUtf8String']) {
    const original = handle[name]!;
    handle[name] = (...args) => {
      count++;
      return original.apply(handle, args);
    };
  }
  return () => count;
}

/** Bytes on the line itself, below TLS. */
function writeBeneath(socket: Socket, text: string): void {
  const handle = (socket as unknown as { _handle: Handle })._handle;
  const { WriteWrap } = (
    process as unknown as { binding(name: string): { WriteWrap: new () => object } }
  ).binding('stream_wrap');
  handle['writeLatin1String']!(new WriteWrap(), text);
}
