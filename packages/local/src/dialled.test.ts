/** Drones that wait to be dialled, and Queens that dial them: the session does not care. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drone, type DroneEvent, startDrone } from '@hive/drone';
import { type Notice, type Queen, type QueenOptions, startQueen } from '@hive/queen';
import { incarnation, LIMITS, type Message, queenId, Session } from '@hive/shared';
import {
  type Address,
  Connection,
  formatKey,
  Keyring,
  LOOPBACK,
  newSecret,
  PeerKey,
  type PortRange,
  secureAsQueen,
} from '@hive/shared/node';
import { afterEach, describe, expect, test } from '@jest/globals';

/** Between two looks at what other processes and threads do: to look all the time would take their time. */
const LOOK_MILLIS = 5;

const keys = Keyring.of(newSecret());
/** A Drone's of this cluster: where it listens, it is as good as where it dials. */
const key = formatKey(PeerKey.from(keys.valid[0]!, 'drone', 'abc'));
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Keeps what was told, and wakes who waits for it. */
class Told<E extends { readonly type: string }> {
  readonly events: E[] = [];
  #wake: (() => void)[] = [];
  readonly tell = (event: E): void => {
    this.events.push(event);
    for (const wake of this.#wake.splice(0)) wake();
  };
  async times(type: E['type'], count: number): Promise<E[]> {
    for (;;) {
      const found = this.events.filter((event) => event.type === type);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}

async function listening(
  range?: PortRange,
  ownKey: string = key,
): Promise<{ drone: Drone; address: Address; told: Told<DroneEvent> }> {
  const told = new Told<DroneEvent>();
  const listen = range ?? { host: LOOPBACK, first: await freePort(), last: 65_535 };
  const drone = startDrone({ listen, key: ownKey, slots: 1, name: 'waiting', onEvent: told.tell });
  closers.push(() => drone.stop({ drain: false }));
  const [event] = await told.times('listening', 1);
  return { drone, address: (event as { address: Address }).address, told };
}
async function scanning(
  ...ports: number[]
): Promise<{ queen: Queen; told: Told<Notice>; stop(): Promise<void> }> {
  return scanningWith({}, ...ports);
}
async function scanningWith(options: QueenOptions, ...ports: number[]) {
  const told = new Told<Notice>();
  const scan = ports.map((port) => ({ host: LOOPBACK, first: port, last: port }));
  const queen = await startQueen({ port: 0, keys, scan, onEvent: told.tell, ...options });
  let isStopped = false;
  const stop = async () => {
    if (!isStopped) await queen.stop();
    isStopped = true;
  };
  closers.push(stop);
  return { queen, told, stop };
}
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
async function stranger({ host, port }: Address): Promise<Socket> {
  const socket = connect(port, host);
  socket.on('error', () => {});
  closers.push(async () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

describe('a Drone that listens', () => {
  test('takes the first free port of its range, and says which', async () => {
    const first = await listening();
    const { port } = first.address;
    const second = await listening({ host: LOOPBACK, first: port, last: Math.min(65_535, port + 50) });
    expect(second.address.port).toBeGreaterThan(port);
  });

  test('ends with a sentence when no port is free', async () => {
    const { address } = await listening();
    const { port } = address;
    const drone = startDrone({ listen: { host: LOOPBACK, first: port, last: port }, key, slots: 1 });
    expect(await drone.closed).toMatchObject({
      how: 'deaf',
      error: { message: `No port from ${port} to ${port} is free. Choose other ones with --listen.` },
    });
  });

  test('is found and dialled by a Queen, and dialled again by one who was started again', async () => {
    const { address, told } = await listening();
    const { told: notices, stop } = await scanning(address.port);
    expect(await notices.times('droneJoined', 1)).toMatchObject([{ name: 'waiting', slots: 1 }]);
    await stop();
    await told.times('disconnected', 1);
    const again = await scanning(address.port);
    await again.told.times('droneJoined', 1);
    expect(await told.times('connected', 2)).toHaveLength(2);
  });

  test('is found when it starts after the Queen', async () => {
    // Below those that the system gives away, and several: nobody takes all of them meanwhile.
    const first = 10_000 + ((process.pid * 8) % 20_000);
    const { told } = await scanning(...Array.from({ length: 8 }, (_, n) => first + n));
    await listening({ host: LOOPBACK, first, last: first + 7 });
    await told.times('droneJoined', 1);
  });

  test('works for several Queens', async () => {
    const { address } = await listening();
    const queens = [await scanning(address.port), await scanning(address.port)];
    for (const { told } of queens) await told.times('droneJoined', 1);
    expect(queens.map(({ queen }) => queen.summary().drones)).toEqual([1, 1]);
  });

  test('has few strangers at once, and still takes a Queen', async () => {
    const { address } = await listening();
    const held: Socket[] = [];
    for (let n = 0; n < LIMITS.callersMax; n++) held.push(await stranger(address));
    const tooMany = await stranger(address);
    await once(tooMany, 'close');
    held[0]!.destroy();
    const { told } = await scanning(address.port);
    await told.times('droneJoined', 1);
  });
});

describe('keys', () => {
  test('a Drone believes no one who dials it but a Queen: the same key is not enough', async () => {
    const { address, told } = await listening();
    // It has the same key, is the TLS server, and says Welcome as a Queen does; it cannot sign it.
    const socket = await stranger(address);
    const identity = PeerKey.from(keys.valid[0]!, 'drone', 'abc');
    const secured = await secureAsQueen(socket, () => identity.forTls().psk);
    const heard: string[] = [];
    const connection = new Connection(secured.socket, new Session(null), {
      message: (message) => {
        heard.push(message.type);
        connection.send(falseWelcome);
      },
      closed: () => {},
    });
    await once(secured.socket, 'close');
    expect(heard).toEqual(['Hello']);
    expect(told.events.filter(({ type }) => type === 'connected')).toEqual([]);
  });

  test('a Queen of another cluster is not let in, and the Drone says why', async () => {
    const other = Keyring.of(newSecret());
    const { address, told } = await listening();
    const { queen } = await scanningWith({ keys: other }, address.port);
    const [event] = await told.times('disconnected', 1);
    expect(event).toMatchObject({ reason: expect.stringMatching(/is refused there/), retryMillis: null });
    expect(queen.summary().drones).toBe(0);
    // Her own Drone at another port is not held up by that.
    const own = await listening(undefined, formatKey(PeerKey.from(other.valid[0]!, 'drone', 'abc')));
    const again = await scanningWith({ keys: other }, address.port, own.address.port);
    await again.told.times('droneJoined', 1);
  });

  test('a key that may not be a Drone is refused before anything listens', () => {
    const client = formatKey(PeerKey.from(keys.valid[0]!, 'client', 'abc'));
    const listen = { host: LOOPBACK, first: 1, last: 1 };
    expect(() => startDrone({ listen, key: client, slots: 1 })).toThrow(/The key is a client's/);
  });

  test('without keys nobody waits for, nor dials, other machines, unless that is forced', async () => {
    const listen = { host: '192.0.2.1', first: 1, last: 1 };
    expect(() => startDrone({ listen, insecure: true, slots: 1 })).toThrow(/192\.0\.2\.1 is not on it/);
    await expect(startQueen({ port: 0, insecure: true, scan: [listen] })).rejects.toThrow(
      /192\.0\.2\.1 is not on it/,
    );
  });

  test('without keys they work together on one machine all the same', async () => {
    const told = new Told<DroneEvent>();
    const listen = { host: LOOPBACK, first: await freePort(), last: 65_535 };
    const drone = startDrone({ listen, insecure: true, slots: 1, onEvent: told.tell });
    closers.push(() => drone.stop({ drain: false }));
    const [event] = await told.times('listening', 1);
    const { port } = (event as { address: Address }).address;
    const { told: notices } = await scanningWith({ insecure: true }, port);
    await notices.times('droneJoined', 1);
  });
});

const falseWelcome: Message<'Welcome'> = {
  type: 'Welcome',
  protocol: 1,
  session: '1'.repeat(32),
  queen: queenId('2'.repeat(32)),
  incarnation: incarnation('3'.repeat(16)),
  epoch: 1,
  name: 'false',
  heartbeatMillis: 1_000,
  frameBytesMax: LIMITS.frameBytesMax,
  valueBytesMax: LIMITS.valueBytesMax,
  capabilities: [],
  signature: new Uint8Array(64),
};

describe('a Queen who dials', () => {
  test('keeps one session with a Drone that she reaches in two ways', async () => {
    const { address, told: heard } = await listening();
    // The second way is a relay: whoever connects to it reaches the same Drone.
    let relayed = 0;
    const relay = createServer((socket) => {
      const onward = connect(address.port, address.host);
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        from.on('error', () => {});
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
      socket.on('close', () => relayed++);
    });
    relay.listen(0, LOOPBACK);
    await once(relay, 'listening');
    closers.push(() => new Promise<void>((resolve) => relay.close(() => resolve())));
    const { queen, told } = await scanning(address.port, (relay.address() as AddressInfo).port);
    await told.times('droneJoined', 1);
    while (relayed === 0 && told.events.filter(({ type }) => type === 'droneJoined').length < 2) {
      await sleep(LOOK_MILLIS);
    }
    expect(queen.summary().drones).toBe(1);
    expect(told.events.filter(({ type }) => type === 'droneJoined')).toHaveLength(1);
    expect(heard.events.filter(({ type }) => type === 'rejected')).toEqual([]);
  });

  test('is not held up by what is no Drone', async () => {
    const server = createServer((socket) => socket.resume().end('220 mail.example.org ready\r\n'));
    server.on('connection', (socket) => socket.on('error', () => {}));
    server.listen(0, LOOPBACK);
    await once(server, 'listening');
    closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
    const { address } = await listening();
    const { told } = await scanning((server.address() as AddressInfo).port, address.port);
    await told.times('droneJoined', 1);
  });
});
