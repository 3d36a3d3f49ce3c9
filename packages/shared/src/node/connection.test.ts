import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FRAMES, frameNamed } from '../../test/wire-fixtures.ts';
import { encode } from '../codec.ts';
import { ProtocolError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Message } from '../messages.ts';
import { Session } from '../session.ts';
import { Connection } from './connection.ts';
import { dial } from './dial.ts';

/** One end of a connection, with what it heard. */
interface End {
  connection: Connection;
  heard: Message[];
  closed: Promise<Error | null>;
}
let server: Server;
let accepted: Socket[] = [];
const sockets: Socket[] = [];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => {
    accepted.push(socket);
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** A raw socket at one end, and a socket for a connection at the other. */
async function wire(): Promise<[Socket, Socket]> {
  const coming = once(server, 'connection');
  const socket = await dial({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, 5_000);
  sockets.push(socket);
  const [other] = (await coming) as [Socket];
  return [socket, other];
}
function end(socket: Socket, from: 'drone' | 'queen', onMessage: (message: Message) => void = () => {}): End {
  const session = new Session(from === 'queen' ? 'queen' : null);
  session.open('drone');
  const heard: Message[] = [];
  let closed: (error: Error | null) => void;
  const isClosed = new Promise<Error | null>((resolve) => {
    closed = resolve;
  });
  const connection = new Connection(socket, session, {
    message: (message) => {
      heard.push(message);
      onMessage(message);
    },
    closed: (error) => closed(error),
  });
  return { connection, heard, closed: isClosed };
}
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};
function frames(bytes: Buffer): Message['type'][] {
  const session = new Session('queen');
  session.open();
  return [...session.receive(bytes)].map((message) => message.type);
}

describe('sending', () => {
  test('what is sent in one turn leaves in one write', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    const drone = end(far, 'queen');
    let writes = 0;
    const write = near.write;
    near.write = ((...args: Parameters<Socket['write']>) => {
      writes++;
      return write.apply(near, args);
    }) as Socket['write'];
    for (let n = 1; n <= 50; n++) queen.connection.send({ type: 'ResultAck', leases: [n, n] });
    expect(writes).toBe(0);
    await until(() => drone.heard.length === 50);
    expect(writes).toBe(1);
    expect(drone.heard.at(-1)).toEqual({ type: 'ResultAck', leases: [50, 50] });
    expect(queen.connection.bytesOut).toBe(drone.connection.bytesIn);
    expect(queen.connection.bufferedBytes).toBe(0);
  });

  test('large and small messages arrive in their order, whole', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    const drone = end(far, 'queen');
    const data = new Uint8Array(600_000).map((_, i) => i);
    const { message } = frameNamed('TaskAssign') as { message: Message<'TaskAssign'> };
    for (let i = 0; i < 10; i++) {
      queen.connection.send({ type: 'Heartbeat' });
      queen.connection.send({ ...message, sizes: 1, data });
    }
    await until(() => drone.heard.length === 20);
    expect(drone.heard.map((one) => one.type).slice(0, 4)).toEqual([
      'Heartbeat',
      'TaskAssign',
      'Heartbeat',
      'TaskAssign',
    ]);
    for (const one of drone.heard) {
      if (one.type === 'TaskAssign') expect(Buffer.compare(one.data!, data)).toBe(0);
    }
  });

  test('every message of the wire goes through', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    const drone = end(far, 'queen');
    const sent = FRAMES.filter(
      ({ from, message }) => from === 'queen' && !/Welcome|Reject/.test(message.type),
    );
    for (const { message } of sent) queen.connection.send(message);
    await until(() => drone.heard.length === sent.length);
    expect(drone.heard.map(encode)).toEqual(sent.map(({ message }) => encode(message)));
  });

  test('a peer that does not read is dropped at the hard bound, and only that one', async () => {
    const [far, near] = await wire();
    const [otherFar, otherNear] = await wire();
    far.pause();
    const queen = end(near, 'drone');
    const other = end(otherNear, 'drone');
    const otherDrone = end(otherFar, 'queen');
    const { message } = frameNamed('Results') as { message: Message<'Results'> };
    const page = { ...message, sizes: 1_000_000, count: 1, data: new Uint8Array(1_000_000) };
    let highest = 0;
    for (let i = 0; i < 1_000 && queen.connection.session.state === 'open'; i++) {
      queen.connection.send(page);
      highest = Math.max(highest, queen.connection.bufferedBytes);
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const error = await queen.closed;
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ code: 'slowReader' });
    expect(highest).toBeLessThanOrEqual(LIMITS.sendBufferHard + 2_000_000);
    expect(highest).toBeGreaterThan(LIMITS.sendBufferSoft);
    other.connection.send({ type: 'Heartbeat' });
    await until(() => otherDrone.heard.length === 1);
    expect(queen.connection.bufferedBytes).toBeLessThan(LIMITS.sendBufferHard);
  });

  test('says when what was waiting has left', async () => {
    const [far, near] = await wire();
    far.pause();
    let isDrained = false;
    const session = new Session(null);
    session.open('drone');
    const connection = new Connection(near, session, {
      message: () => {},
      closed: () => {},
      drained: () => {
        isDrained = true;
      },
    });
    const { message } = frameNamed('Results') as { message: Message<'Results'> };
    for (let i = 0; i < 20; i++) {
      connection.send({ ...message, count: 1, sizes: 1_000_000, data: new Uint8Array(1_000_000) });
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDrained).toBe(false);
    expect(connection.bufferedBytes).toBeGreaterThan(LIMITS.sendBufferSoft);
    far.resume();
    await until(() => isDrained);
    expect(connection.bufferedBytes).toBe(0);
  });
});

describe('a peer that breaks the protocol', () => {
  test('is told why after what was said before, and only its session dies', async () => {
    const [far, near] = await wire();
    const [otherFar, otherNear] = await wire();
    const queen = end(near, 'drone', () => {
      queen.connection.send({ type: 'Heartbeat' });
    });
    const other = end(otherNear, 'drone');
    const received: Buffer[] = [];
    far.on('data', (chunk: Buffer) => received.push(chunk));
    const ended = once(far, 'end');
    far.write(Buffer.concat([frameNamed('TaskRequest').frame, Buffer.from('GET / HTTP/1.1\r\n\r\n')]));
    await ended;
    expect(frames(Buffer.concat(received))).toEqual(['Heartbeat', 'Goodbye']);
    expect(await queen.closed).toBeInstanceOf(ProtocolError);
    expect(queen.heard).toHaveLength(1);
    otherFar.write(frameNamed('TaskRequest').frame);
    await until(() => other.heard.length === 1);
    expect(other.connection.isClosed).toBe(false);
  });

  test('may do so by what a message means: the handler throws, and nothing is said after the farewell', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone', () => {
      queen.connection.send({ type: 'Drain' });
      throw new ProtocolError('a gap in the pages', 'badInput');
    });
    const received: Buffer[] = [];
    far.on('data', (chunk: Buffer) => received.push(chunk));
    const ended = once(far, 'end');
    far.write(Buffer.concat([frameNamed('TaskRequest').frame, frameNamed('TaskRequest').frame]));
    await ended;
    queen.connection.send({ type: 'Heartbeat' });
    expect(await queen.closed).toMatchObject({ code: 'badInput' });
    expect(queen.heard).toHaveLength(1);
    expect(queen.connection.session.state).toBe('closed');
    expect(frames(Buffer.concat(received))).toEqual(['Drain', 'Goodbye']);
  });

  test('and neither reads nor goes is dropped all the same', async () => {
    const [far, near] = await wire();
    far.pause();
    far.on('error', () => {});
    const queen = end(near, 'drone');
    const { message } = frameNamed('Results') as { message: Message<'Results'> };
    for (let i = 0; i < 20; i++) {
      queen.connection.send({ ...message, count: 1, sizes: 1_000_000, data: new Uint8Array(1_000_000) });
    }
    far.write(Buffer.alloc(100, 0xff));
    expect(await queen.closed).toBeInstanceOf(ProtocolError);
  });
});

describe('the end', () => {
  test('between two frames is clean', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    far.end(frameNamed('TaskRequest').frame);
    far.resume();
    expect(await queen.closed).toBeNull();
    expect(queen.heard).toHaveLength(1);
    expect(queen.connection.isClosed).toBe(true);
  });

  test('in the middle of a frame is reported', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    far.end(frameNamed('TaskRequest').frame.subarray(0, 9));
    far.resume();
    expect(await queen.closed).toMatchObject({ message: expect.stringContaining('middle of a frame') });
  });

  test('by a reset is reported', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    far.resetAndDestroy();
    expect(await queen.closed).toMatchObject({ code: 'ECONNRESET' });
  });

  test('of ours comes after the last word, and once', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    const drone = end(far, 'queen');
    queen.connection.send({ type: 'Drain' });
    queen.connection.end({ type: 'Goodbye', code: 'stopping', message: 'the Queen stops' });
    queen.connection.end({ type: 'Goodbye', message: 'twice' });
    queen.connection.send({ type: 'Heartbeat' });
    expect(await drone.closed).toBeNull();
    expect(await queen.closed).toBeNull();
    expect(drone.heard.map((message) => message.type)).toEqual(['Drain', 'Goodbye']);
  });

  test('at once takes nothing more in or out', async () => {
    const [far, near] = await wire();
    const queen = end(near, 'drone');
    const drone = end(far, 'queen');
    queen.connection.send({ type: 'Drain' });
    queen.connection.destroy(new Error('enough'));
    queen.connection.send({ type: 'Heartbeat' });
    expect(queen.connection.bufferedBytes).toBe(0);
    expect(await queen.closed).toMatchObject({ message: 'enough' });
    await drone.closed;
    expect(drone.heard).toEqual([]);
  });
});

describe('before the handshake is done', () => {
  /** A peer that waits for Welcome, what the other end hears of it, and why it closed. */
  async function greeting() {
    const [far, near] = await wire();
    const session = new Session('queen');
    const heard: Buffer[] = [];
    near.on('data', (chunk: Buffer) => heard.push(chunk));
    const gone = new Promise((resolve) => near.once('close', resolve));
    const closed = new Promise<Error | null>((resolve) => {
      new Connection(far, session, { message: () => {}, closed: resolve });
    });
    return { near, closed, heard: gone.then(() => Buffer.concat(heard)) };
  }

  test.each([
    ['garbage', Buffer.from('HTTP/1.1 400 Bad Request')],
    ['a message out of turn', frameNamed('Heartbeat').frame],
  ])('%s gets no answer: whoever said it may be no Queen', async (_what, bytes) => {
    const { near, closed, heard } = await greeting();
    near.write(bytes);
    expect(await closed).toBeInstanceOf(ProtocolError);
    expect(await heard).toHaveLength(0);
  });

  test('an alert of TLS is understood: a Queen wants a key', async () => {
    const { near, closed, heard } = await greeting();
    near.write(Buffer.from('15030300020246', 'hex'));
    expect((await closed)?.message).toMatch(/speaks TLS.*leave out --insecure/);
    expect(await heard).toHaveLength(0);
  });
});
