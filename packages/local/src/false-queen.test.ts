/**
 * False Queens: whoever has the very key of its victim can finish TLS with it, and whoever stands in the middle can pass
 * on what a true Queen says. Neither may hear more than Hello, or be believed.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { connect } from '@hive/client';
import { startDrone } from '@hive/drone';
import { type Queen, startQueen } from '@hive/queen';
import { encode, type Message, Session } from '@hive/shared';
import {
  type Address,
  Connection,
  exportKeys,
  formatAddress,
  formatKey,
  Generation,
  Keyring,
  openLine,
  PeerKey,
  randomIncarnation,
  randomQueenId,
  secureAsQueen,
  WELCOME_PURPOSE,
  welcomeBytes,
} from '@hive/shared/node';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const truth = new Generation(1, new Uint8Array(32).fill(7));
const lie = new Generation(1, new Uint8Array(32).fill(8));
const ROLES = ['drone', 'client', 'observer'] as const;

/** How a false Queen makes her Welcome, given what the peer said and what binds the signature to this connection. */
type Forgery = (
  hello: Message<'Hello'>,
  exporter: Uint8Array,
) => Promise<Message<'Welcome'>> | Message<'Welcome'>;

const welcome = (signature?: Uint8Array): Message<'Welcome'> => ({
  type: 'Welcome',
  protocol: 1,
  session: 'a'.repeat(32),
  queen: randomQueenId(),
  incarnation: randomIncarnation(),
  epoch: 1,
  name: 'false',
  heartbeatMillis: 1_000,
  frameBytesMax: 2 ** 24,
  valueBytesMax: 2 ** 20,
  capabilities: ['streams'],
  ...(signature === undefined ? {} : { signature }),
});
const signed = (
  generation: Generation,
  exporter: Uint8Array,
  purpose = WELCOME_PURPOSE,
): Message<'Welcome'> => {
  const message = welcome();
  const bytes = welcomeBytes(exporter, message.queen, message.session);
  return { ...message, signature: generation.sign(purpose, bytes) };
};

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

class FalseQueen {
  /** Everything that was said to her, in all connections. */
  readonly heard: string[] = [];
  bytesHeard = 0;
  readonly #server: Server;
  #wake: (() => void)[] = [];
  /** Connections that were made and closed again by the peer. */
  closed = 0;

  constructor(key: PeerKey, forge: Forgery) {
    this.#server = createServer((raw) => {
      ends.push(() => raw.destroy());
      void this.#serve(raw, key, forge);
    });
    ends.push(() => new Promise((resolve) => this.#server.close(resolve)));
  }

  async #serve(raw: Socket, key: PeerKey, forge: Forgery): Promise<void> {
    raw.on('close', () => {
      this.closed++;
      for (const wake of this.#wake.splice(0)) wake();
    });
    // She accepts whatever identity comes with the key that she has.
    const line = await secureAsQueen(raw, () => key.forTls().psk).catch(() => null);
    if (line === null) return;
    const session = new Session(null);
    const exporter = exportKeys(line.socket, WELCOME_PURPOSE);
    const connection: Connection = new Connection(line.socket, session, {
      message: async (message) => {
        this.heard.push(message.type);
        if (message.type !== 'Hello') return;
        const answer = await forge(message, exporter);
        session.open(message.role);
        connection.socket.write(encode(answer));
        // What a victim would act on, if it believed her.
        connection.socket.write(encode({ type: 'Heartbeat' }));
      },
      closed: () => {},
    });
  }

  async listen(): Promise<Address> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return { host: '127.0.0.1', port: (this.#server.address() as { port: number }).port };
  }
  async untilClosed(times: number): Promise<void> {
    while (this.closed < times) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
}

/** Lets a victim with this key meet her, twice if it comes back; returns what it thinks of her. */
async function meet(key: PeerKey, address: Address, queen: FalseQueen): Promise<string> {
  if (key.role === 'drone') {
    let reason = '';
    let isConnected = false;
    const drone = startDrone({
      queens: () => [address],
      key: formatKey(key),
      slots: 1,
      onEvent: (event) => {
        if (event.type === 'disconnected') reason = event.reason;
        isConnected ||= event.type === 'connected';
      },
    });
    ends.push(() => drone.stop({ drain: false }));
    await queen.untilClosed(2);
    expect(isConnected).toBe(false);
    return reason;
  }
  const error = await connect({ queen: formatAddress(address), key: formatKey(key), name: 'victim' }).then(
    async (hive) => {
      await hive.close();
      return null;
    },
    (thrown: Error) => thrown,
  );
  expect(error).toMatchObject({ code: expect.stringMatching(/^(noQueen|badKey)$/) });
  return error!.message;
}

describe.each(ROLES)("a false Queen who has the %s's own key", (role) => {
  const key = PeerKey.from(truth, role, 'shared');
  let trueQueen: Queen;
  beforeEach(async () => {
    trueQueen = await startQueen({ port: 0, keys: Keyring.of([truth]) });
    ends.push(() => trueQueen.stop());
  });

  /** A session of her own with a true Queen: whatever that one says to her is good, but not for anybody else. */
  const relayed: Forgery = async (hello) => {
    const { socket, verify } = await openLine(trueQueen.address, () => ({ kind: 'key', key }), 5_000);
    ends.push(() => socket.destroy());
    const session = new Session('queen', verify);
    socket.write(encode(hello));
    return new Promise((resolve) => {
      socket.on('data', (chunk) => {
        for (const message of session.receive(chunk)) if (message.type === 'Welcome') resolve(message);
      });
    });
  };

  const forgeries: [string, Forgery][] = [
    ['does not sign', () => welcome()],
    ['signs with nonsense', () => welcome(new Uint8Array(64).fill(1))],
    ['signs with an empty text', () => welcome(new Uint8Array(0))],
    ['signs with the key of another Hive', (_, exporter) => signed(lie, exporter)],
    ['has a signature for another purpose', (_, exporter) => signed(truth, exporter, 'announce')],
    ['has a signature for another connection', () => signed(truth, new Uint8Array(32))],
    ['passes on what a true Queen has said to her', relayed],
  ];
  test.each(forgeries)('and %s is not believed, and hears nothing but Hello', async (_text, forge) => {
    const queen = new FalseQueen(key, forge);
    const opinion = await meet(key, await queen.listen(), queen);
    expect(opinion).toContain('the Welcome is not signed by a Queen of this Hive');
    expect(new Set(queen.heard)).toEqual(new Set(['Hello']));
  });
});

test.each(ROLES)("a false Queen with another %s's key does not even hear Hello", async (role) => {
  const queen = new FalseQueen(PeerKey.from(truth, role, 'other'), () => welcome());
  const opinion = await meet(PeerKey.from(truth, role, 'victim'), await queen.listen(), queen);
  expect(opinion).not.toContain('signed');
  expect(queen.heard).toEqual([]);
});

test('who signs as a Queen is one: the forgeries above fail for what is wrong with them', async () => {
  const key = PeerKey.from(truth, 'client', 'shared');
  const queen = new FalseQueen(key, (_, exporter) => signed(truth, exporter));
  const address = formatAddress(await queen.listen());
  const hive = await connect({ queen: address, key: formatKey(key) });
  expect(hive.queenName).toBe('false');
  await hive.close();
});
