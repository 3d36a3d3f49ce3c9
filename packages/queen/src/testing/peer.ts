/** A peer for tests: the wire without a library's help, so that it can also say what no library would. */
import type { Socket } from 'node:net';
import {
  type ClientToQueen,
  type DroneToQueen,
  encode,
  type Message,
  type MessageType,
  PROTOCOL_VERSION,
  type Role,
  Session,
} from '@hive/shared';
import {
  type Access,
  type Address,
  type Line,
  openLine,
  type PeerKey,
  randomPeerId,
} from '@hive/shared/node';
import { testKey } from './keys.ts';

const DIAL_MILLIS = 10_000;

export class TestPeer {
  readonly socket: Socket;
  readonly received: Message[] = [];
  readonly peer = randomPeerId();
  readonly #session: Session;
  #wake: (() => void)[] = [];
  isClosed = false;

  private constructor({ socket, verify }: Line) {
    this.socket = socket;
    this.#session = new Session('queen', verify);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (const message of this.#session.receive(chunk)) {
        if (message.type === 'Welcome') this.#session.open();
        this.received.push(message);
      }
      this.#notify();
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.#notify();
    });
  }

  /** With the key of a node, unless another is given; null: plain TCP. */
  static async dial(address: Address, key: PeerKey | null = testKey('node')): Promise<TestPeer> {
    const access: Access = key === null ? { kind: 'insecure', isForced: false } : { kind: 'key', key };
    return new TestPeer(await openLine(address, () => access, DIAL_MILLIS));
  }

  /** A client whose handshake is done. */
  static async client(address: Address): Promise<TestPeer> {
    const peer = await TestPeer.dial(address);
    peer.hello('client');
    await peer.next('Welcome');
    return peer;
  }

  /** A Drone whose handshake is done, that holds nothing and asks for work for its slots. */
  static async drone(
    address: Address,
    slots = 1,
    kinds: readonly string[] = ['echo', 'hash', 'sleep'],
  ): Promise<TestPeer> {
    const peer = await TestPeer.dial(address);
    peer.hello('drone', { slots, kinds });
    await peer.next('Welcome');
    peer.send({ type: 'Holdings', leases: [] });
    peer.send({ type: 'TaskRequest', slots });
    return peer;
  }

  hello(role: Role, more: Partial<Message<'Hello'>> = {}): void {
    this.send({
      type: 'Hello',
      magic: 'hive',
      protocolMin: PROTOCOL_VERSION.min,
      protocolMax: PROTOCOL_VERSION.max,
      role,
      peer: this.peer,
      name: `test ${role}`,
      capabilities: [],
      ...more,
    });
  }

  send(message: DroneToQueen | ClientToQueen): void {
    this.socket.write(encode(message));
  }

  /** The next message of a type that has not been taken yet. Rejects when the session closes first. */
  async next<T extends MessageType>(type: T): Promise<Message<T>> {
    while (true) {
      const at = this.received.findIndex((message) => message.type === type);
      if (at >= 0) return this.received.splice(at, 1)[0] as Message<T>;
      if (this.isClosed)
        throw new Error(`closed while waiting for ${type}; got ${JSON.stringify(this.received)}`);
      await this.#change();
    }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await this.#change();
  }

  end(): void {
    this.socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
