/** Attacks on a Queen's port: by strangers without a key, and by holders of a key that does not allow what they try. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { encode, jobId, LIMITS, type Message, type Role } from '@hive/shared';
import { type Address, PeerKey } from '@hive/shared/node';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Queen, startQueen } from './queen.ts';
import { TEST_KEYS, testGeneration, testKey } from './testing/keys.ts';
import { TestPeer } from './testing/peer.ts';

const JOB = jobId('01890000-0000-7000-8000-000000000001');
const SPEC: Message<'Submit'>['spec'] = { kind: 'echo', encoding: 'raw' };

let queen: Queen;
let witness: TestPeer;
const ends: (() => void)[] = [];

beforeEach(async () => {
  queen = await startQueen({ port: 0, keys: TEST_KEYS, handshakeMillis: 3_000 });
  witness = await TestPeer.client(queen.address);
  ends.push(() => witness.end());
});
/** Whatever was tried: the Queen and an honest session must not have noticed. */
afterEach(async () => {
  witness.send({ type: 'Query', request: 99, about: 'jobs' });
  expect((await witness.next('Answer')).body).toEqual({ jobs: [] });
  expect(queen.summary().sessions).toBe(1);
  for (const end of ends.splice(0)) end();
  await queen.stop();
});

async function peer(key: PeerKey, role: Role, more: Partial<Message<'Hello'>> = {}): Promise<TestPeer> {
  const one = await TestPeer.dial(queen.address, key);
  ends.push(() => one.end());
  one.hello(role, more);
  return one;
}
/** A bare connection, and everything that it hears until it is closed. */
function raw({ host, port }: Address = queen.address, localAddress?: string) {
  const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  ends.push(() => socket.destroy());
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  socket.on('error', () => {});
  const closed = new Promise<Buffer>((resolve) => socket.on('close', () => resolve(Buffer.concat(heard))));
  return { socket, closed };
}
const gone = async (...peers: TestPeer[]) => {
  for (const one of peers) one.end();
  while (queen.summary().sessions > 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('a stranger', () => {
  const wrong: [string, PeerKey][] = [
    ['the key of another Hive', PeerKey.from(testGeneration(1, 8), 'client', 'test')],
    ['a key that says to be of another role', keyNamed(testKey('drone'), 'client')],
    ['a key of a generation that is not there', PeerKey.from(testGeneration(2), 'client', 'test')],
    ['the secret of another Hive', PeerKey.from(testGeneration(1, 8), 'node')],
    ['an id that is none', keyNamed(testKey('client'), 'client', 'UPPER|case')],
  ];
  test.each(wrong)('with %s is refused, and learns nothing else', async (_text, key) => {
    await expect(TestPeer.dial(queen.address, key)).rejects.toMatchObject({
      code: 'badKey',
      message: expect.stringContaining('is refused there'),
    });
  });

  test('without a key hears not a byte, whatever it says', async () => {
    const hello = encode({
      type: 'Hello',
      magic: 'hive',
      protocolMin: 1,
      protocolMax: 1,
      role: 'client',
      peer: '0'.repeat(32) as Message<'Hello'>['peer'],
      name: 'stranger',
      capabilities: [],
    });
    for (const bytes of [hello, Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(100_000, 1)]) {
      const { socket, closed } = raw();
      socket.write(bytes);
      expect((await closed).length).toBeLessThanOrEqual(ALERT_BYTES);
    }
  });

  test('that says nothing is dropped in silence', async () => {
    expect(await raw().closed).toHaveLength(0);
  });

  test('with TLS but without the key, in whatever version, gets no further', async () => {
    const attempts = [
      { maxVersion: 'TLSv1.3' },
      { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
      { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'PSK-AES128-GCM-SHA256' },
      { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_256_GCM_SHA384' },
    ] as const;
    for (const [i, attempt] of attempts.entries()) {
      const { host, port } = queen.address;
      // Those with a key suite have the right key, and are refused for the version or the hash alone.
      const psk = i < 2 ? {} : { pskCallback: () => testKey('node').forTls() };
      const socket = connectTls({ host, port, rejectUnauthorized: false, ...attempt, ...psk });
      ends.push(() => socket.destroy());
      await expect(
        new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)),
      ).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SSL_/) });
    }
  });

  test('that replays what an honest client has said opens no session and submits nothing', async () => {
    const tape = await recorder();
    const client = await TestPeer.dial(tape.address, testKey('client'));
    ends.push(() => client.end());
    client.hello('client');
    await client.next('Welcome');
    client.send({ type: 'Manage', request: 1, action: 'gc' });
    await client.next('Answer');
    await gone(client);
    const bytes = tape.heard();
    expect(bytes.length).toBeGreaterThan(500);
    const { socket, closed } = raw();
    socket.write(bytes);
    const answer = await closed;
    // She has to answer the first flight, which proves nothing yet; what she says then nobody can read without the key.
    expect(answer.includes('hive')).toBe(false);
    expect(queen.summary().sessions).toBe(1);
  });

  test('by the hundred, and slow, does not keep others out', async () => {
    const slow = Array.from({ length: 400 }, () => raw());
    for (const { socket } of slow) socket.write(Buffer.from('1603010200', 'hex'));
    const honest = await peer(testKey('client'), 'client');
    await honest.next('Welcome');
    await Promise.all(slow.map(({ closed }) => closed));
    await gone(honest);
  });

  test('that floods from one address is not listened to any more, and others are', async () => {
    const other = '127.0.0.2';
    const { strangerFailuresLocalMax: most } = LIMITS;
    for (let i = 0; i < most; i += 50) {
      const some = Array.from({ length: 50 }, () => raw(queen.address, other));
      for (const { socket } of some) socket.write('GET / HTTP/1.1\r\n\r\n');
      await Promise.all(some.map(({ closed }) => closed));
    }
    // Not even the time for a handshake: it is closed at once, although it says nothing.
    const refused = raw(queen.address, other);
    const error = await new Promise<{ code?: string }>((resolve) => refused.socket.once('error', resolve));
    expect(error.code).toBe('ECONNRESET');
    const honest = await peer(testKey('client'), 'client');
    await honest.next('Welcome');
    await gone(honest);
  });

  test('that never ends its first message is dropped when it has said enough', async () => {
    const patient = await startQueen({ port: 0, keys: TEST_KEYS, handshakeMillis: 600_000 });
    ends.push(() => void patient.stop());
    const { socket, closed } = raw(patient.address);
    // A ClientHello that claims to have 128,000 bytes, in records that TLS allows; most of them come.
    const size = 16_000;
    const record = (body: Buffer) => Buffer.concat([Buffer.from([22, 3, 1, size >> 8, size & 255]), body]);
    const first = Buffer.alloc(size);
    Buffer.from([1, 1, 0xf4, 0, 3, 3]).copy(first);
    socket.write(record(first));
    for (let i = 0; i < 5; i++) socket.write(record(Buffer.alloc(size)));
    await closed;
  });
});

describe("a Drone's key", () => {
  test.each(['client', 'observer', 'node'] as const)('opens no session as %s', async (role) => {
    const drone = await peer(testKey('drone'), role);
    expect(await drone.next('Reject')).toMatchObject({ code: 'badRole' });
    await drone.closed();
  });

  test('submits nothing in a session as Drone', async () => {
    const attempts: Parameters<TestPeer['send']>[0][] = [
      { type: 'Submit', job: JOB, spec: SPEC },
      { type: 'Cancel', request: 1, job: JOB },
      { type: 'Query', request: 1, about: 'jobs' },
      { type: 'Watch', everyMillis: 250 },
      { type: 'Manage', request: 1, action: 'revokeKey', key: 'test' },
    ];
    for (const attempt of attempts) {
      const drone = await peer(testKey('drone'), 'drone', { slots: 1, kinds: ['echo'] });
      await drone.next('Welcome');
      drone.send({ type: 'Holdings', leases: [] });
      drone.send(attempt);
      expect((await drone.next('Goodbye')).message).toBe(`a drone may not send ${attempt.type}`);
      await drone.closed();
    }
    await gone();
  });
});

describe("an observer's key", () => {
  test.each(['client', 'drone', 'node'] as const)('opens no session as %s', async (role) => {
    const observer = await peer(testKey('observer'), role, { slots: 1, kinds: ['echo'] });
    expect(await observer.next('Reject')).toMatchObject({ code: 'badRole' });
    await observer.closed();
  });

  test('looks, and changes nothing, and its session goes on', async () => {
    const observer = await peer(testKey('observer'), 'observer');
    await observer.next('Welcome');
    const page = { first: 0, count: 1, sizes: 1, data: Uint8Array.of(1) };
    const attempts: Parameters<TestPeer['send']>[0][] = [
      { type: 'Submit', job: JOB, spec: SPEC },
      { type: 'Append', job: JOB, ...page },
      { type: 'Seal', job: JOB, count: 1 },
      { type: 'ResultCredit', job: JOB, bytes: 1_000 },
      { type: 'StreamGet', job: JOB, index: 0, direction: 'out', offset: 0, length: 10 },
      {
        type: 'Append',
        job: JOB,
        ...page,
        sizes: 0,
        data: new Uint8Array(0),
        streams: [{ index: 0, bytes: 2_000_000 }],
      },
      { type: 'Cancel', request: 7, job: JOB },
      { type: 'Manage', request: 8, action: 'gc' },
      { type: 'Manage', request: 9, action: 'revokeKey', key: 'test' },
    ];
    for (const attempt of attempts) {
      observer.send(attempt);
      const refused = await observer.next('Refused');
      expect(refused).toMatchObject({ code: 'notPermitted', message: expect.stringContaining(attempt.type) });
      if ('request' in attempt) expect(refused.request).toBe(attempt.request);
    }
    observer.send({ type: 'Query', request: 10, about: 'status' });
    expect((await observer.next('Answer')).request).toBe(10);
    observer.send({ type: 'Query', request: 11, about: 'keys' });
    expect(await observer.next('Refused')).toMatchObject({ request: 11, code: 'notPermitted' });
    await gone(observer);
  });
});

test.each(['client', 'observer'] as const)(
  "a client's key opens a session as %s, and manages no keys",
  async (role) => {
    const client = await peer(testKey('client'), role);
    await client.next('Welcome');
    for (const action of ['revokeKey', 'rotateKeys', 'retireKeys'] as const) {
      client.send({ type: 'Manage', request: 1, action, key: 'test' });
      expect(await client.next('Refused')).toMatchObject({ code: 'notPermitted' });
    }
    await gone(client);
  },
);

test("a node's key opens any session that there is", async () => {
  for (const role of ['client', 'observer', 'drone'] as const) {
    const node = await peer(testKey('node'), role, { slots: 1, kinds: ['echo'] });
    await node.next('Welcome');
    await gone(node);
  }
});

/** An alert says that TLS is spoken here, and no more. */
const ALERT_BYTES = 7;

/** A key under another name than the one that it was derived for. */
function keyNamed(key: PeerKey, role: Role, keyId = key.keyId): PeerKey {
  const { psk } = key.forTls();
  return new PeerKey({ generation: 1, role, keyId }, psk, testGeneration().queenPublic);
}

/** Passes everything on between a client and the Queen, and keeps what the client says. */
async function recorder(): Promise<{ address: Address; heard: () => Buffer }> {
  const heard: Buffer[] = [];
  const server: Server = createServer((near: Socket) => {
    const far = connect(queen.address);
    ends.push(() => far.destroy());
    near.on('data', (chunk: Buffer) => heard.push(chunk));
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  const { port } = server.address() as { port: number };
  return { address: { host: '127.0.0.1', port }, heard: () => Buffer.concat(heard) };
}
