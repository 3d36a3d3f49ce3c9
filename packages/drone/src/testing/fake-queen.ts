/** A Queen on a real socket for tests: shakes hands, says what it is told to, and keeps what it hears. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { type Incarnation, type Message, type MessageType, type QueenId, Session } from '@hive/shared';
import { type Address, Connection, randomIncarnation, randomQueenId } from '@hive/shared/node';

export class FakeQueen {
  id: QueenId = randomQueenId();
  incarnation: Incarnation = randomIncarnation();
  heartbeatMillis = 60_000;
  /** Said instead of Welcome. */
  rejection: Message<'Reject'> | null = null;
  readonly heard: Message[] = [];
  readonly #server: Server;
  /** Those that shook hands and did not say Goodbye; `send` goes to the newest one. */
  readonly #open: Connection[] = [];
  #wake: (() => void)[] = [];
  sessions = 0;

  private constructor() {
    this.#server = createServer((socket) => {
      const connection: Connection = new Connection(socket, new Session(null), {
        message: (message) => this.#received(connection, message),
        closed: () => this.#forget(connection),
      });
    });
  }

  static async listen(): Promise<FakeQueen> {
    const queen = new FakeQueen();
    queen.#server.listen(0, '0.0.0.0');
    await once(queen.#server, 'listening');
    return queen;
  }

  get address(): Address {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  send(message: Message): void {
    this.#open.at(-1)?.send(message);
  }
  /** Cuts the connection without a word. */
  cut(): void {
    this.#open.at(-1)?.destroy();
  }
  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** The next message of a type, taken out of what was heard. */
  async next<T extends MessageType>(type: T): Promise<Message<T>> {
    for (;;) {
      const at = this.heard.findIndex((message) => message.type === type);
      if (at >= 0) return this.heard.splice(at, 1)[0] as Message<T>;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #received(connection: Connection, message: Message): void {
    if (message.type === 'Hello') this.#welcome(connection);
    if (message.type === 'Goodbye') this.#forget(connection);
    this.heard.push(message);
    this.#notify();
  }

  #forget(connection: Connection): void {
    const at = this.#open.indexOf(connection);
    if (at >= 0) this.#open.splice(at, 1);
    this.#notify();
  }

  #welcome(connection: Connection): void {
    if (this.rejection !== null) {
      connection.end(this.rejection);
      return;
    }
    this.sessions++;
    connection.send({
      type: 'Welcome',
      protocol: 1,
      session: '0'.repeat(32),
      queen: this.id,
      incarnation: this.incarnation,
      epoch: 1,
      name: 'fake',
      heartbeatMillis: this.heartbeatMillis,
      frameBytesMax: 2 ** 24,
      valueBytesMax: 2 ** 20,
      capabilities: [],
    });
    connection.session.open('drone');
    this.#open.push(connection);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
