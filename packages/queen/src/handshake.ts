/**
 * One connection from accept to the Hello that opens its session: TLS with a key, then who it is and as what it comes.
 * Nothing is sent to a stranger before TLS is done, not even a version; what fails there fails in silence.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  agreeOnVersion,
  formatIdentity,
  type KeyIdentity,
  LIMITS,
  type Message,
  ProtocolError,
  roleProblem,
  Session,
} from '@hive/shared';
import {
  Connection,
  type ConnectionHandlers,
  exportKeys,
  type Keyring,
  secureAsQueen,
  WELCOME_PURPOSE,
  welcomeBytes,
} from '@hive/shared/node';
import debug from 'debug';
import type { Stranger } from './strangers.ts';
import type { TaskPass } from './task-tokens.ts';

const log = debug('hive:queen:handshake');

/** What a peer has proved by the time of its Hello. */
export interface Greeting {
  readonly hello: Message<'Hello'>;
  readonly sessionId: string;
  /** Null in an insecure session. */
  readonly key: KeyIdentity | null;
  /** Of the Welcome. */
  readonly signature: Uint8Array | null;
}

/** What somebody here who dialled a peer wants to know and to decide. */
export interface Gate {
  /** Why the peer of this Hello is not let in; null when it is. */
  refusal(hello: Message<'Hello'>): ProtocolError | null;
  /** The connection is gone. */
  closed(): void;
}

/** Where a connection came from. */
export interface Origin {
  /** Null when it was dialled from here. */
  readonly stranger: Stranger | null;
  /** Null when it came. */
  readonly gate: Gate | null;
  readonly address: string;
}

export interface HandshakeHost {
  readonly keys: Keyring | null;
  readonly queen: string;
  readonly handshakeMillis: number;
  isRevoked(keyId: string): boolean;
  /** Whether a task's token was minted here, for the holder of this key. */
  isMinted(key: KeyIdentity | null, task: TaskPass): boolean;
  /** The peer is welcome; what its session brings goes to the handlers that this returns. */
  welcome(connection: Connection, greeting: Greeting): ConnectionHandlers;
  /** The handshake is over, well or not. */
  ended(handshake: Handshake): void;
}

export class Handshake {
  readonly #host: HandshakeHost;
  readonly #raw: Socket;
  readonly #origin: Origin;
  readonly #timer: NodeJS.Timeout;
  #connection: Connection | null = null;
  #handlers: ConnectionHandlers | null = null;
  #isOver = false;

  constructor(host: HandshakeHost, raw: Socket, origin: Origin) {
    this.#host = host;
    this.#raw = raw;
    this.#origin = origin;
    this.#timer = setTimeout(() => this.#tooLate(), host.handshakeMillis);
    raw.on('error', () => {});
    raw.once('close', () => origin.gate?.closed());
  }

  /** More bytes came than any handshake needs. */
  get isTooLong(): boolean {
    return this.#raw.bytesRead > LIMITS.handshakeBytesMax;
  }

  /** Resolves when TLS is done, or has failed; the rest follows by itself. */
  async begin(): Promise<void> {
    const { keys } = this.#host;
    if (keys === null) return this.#listen(this.#raw, null, null);
    try {
      const keyFor = (identity: KeyIdentity) =>
        this.#host.isRevoked(identity.keyId) ? null : keys.keyFor(identity);
      const { socket, identity } = await secureAsQueen(this.#raw, keyFor);
      this.#listen(socket, identity, exportKeys(socket, WELCOME_PURPOSE));
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  /** It has said too much. */
  refuse(): void {
    this.#fail('it says too much');
    this.drop('');
  }

  /** Ends it without a word, and not for its own fault. */
  drop(reason: string): void {
    this.#over(reason);
    this.#connection?.destroy();
    this.#raw.destroy();
  }

  #listen(socket: Socket, key: KeyIdentity | null, exporter: Uint8Array | null): void {
    const connection = new Connection(socket, new Session(null), {
      message: (message) => {
        if (this.#handlers !== null) this.#handlers.message(message);
        else if (message.type === 'Hello') this.#greet(connection, message, key, exporter);
      },
      closed: (error) => {
        this.#fail(error?.message ?? 'it went away');
        this.#handlers?.closed(error);
      },
      drained: () => this.#handlers?.drained?.(),
    });
    this.#connection = connection;
  }

  #greet(
    connection: Connection,
    hello: Message<'Hello'>,
    key: KeyIdentity | null,
    exporter: Uint8Array | null,
  ): void {
    const sessionId = randomBytes(16).toString('hex');
    let signature: Uint8Array | null;
    try {
      this.#check(hello, key);
      signature = this.#sign(key, exporter, sessionId);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#fail(error.message);
      refuse(connection, error);
      return;
    }
    connection.session.open(hello.role);
    this.#over(null);
    this.#handlers = this.#host.welcome(connection, { hello, sessionId, key, signature });
  }

  /** @throws ProtocolError */
  #check(hello: Message<'Hello'>, key: KeyIdentity | null): void {
    agreeOnVersion(hello);
    if (key !== null && this.#host.isRevoked(key.keyId))
      throw new ProtocolError('This key was revoked.', 'keyRevoked');
    const problem =
      hello.task === undefined
        ? key === null
          ? null
          : roleProblem(key.role, hello.role)
        : this.#taskProblem(hello.role, hello.task, key);
    if (problem !== null) throw new ProtocolError(problem, 'badRole');
    if (hello.role === 'drone' && (hello.slots === undefined || hello.kinds === undefined)) {
      throw new ProtocolError('a Drone must say its slots and kinds in Hello', 'badRole');
    }
    const refusal = this.#origin.gate?.refusal(hello) ?? null;
    if (refusal !== null) throw refusal;
  }

  /** A task comes with its Drone's key, which opens a client's session only together with a token. */
  #taskProblem(role: Message<'Hello'>['role'], task: TaskPass, key: KeyIdentity | null): string | null {
    if (role !== 'client') return 'A task opens a session as client.';
    if (key?.role === 'observer') return roleProblem(key.role, role);
    return this.#host.isMinted(key, task)
      ? null
      : 'The token of this task is not valid here, or not any more.';
  }

  /** With the key of the peer's own generation, the only one that it can verify. @throws ProtocolError if that is retired */
  #sign(key: KeyIdentity | null, exporter: Uint8Array | null, sessionId: string): Uint8Array | null {
    const { keys, queen } = this.#host;
    if (keys === null || key === null || exporter === null) return null;
    const signature = keys.sign(WELCOME_PURPOSE, welcomeBytes(exporter, queen, sessionId), key.generation);
    if (signature === null)
      throw new ProtocolError(`Generation ${key.generation} of the keys was retired.`, 'keyRevoked');
    log('%s comes with the key %s', this.#origin.address, formatIdentity(key));
    return signature;
  }

  #tooLate(): void {
    this.#fail('it took too long');
    const seconds = this.#host.handshakeMillis / 1000;
    const connection = this.#connection;
    if (connection === null) this.#raw.destroy();
    else refuse(connection, new ProtocolError(`no Hello within ${seconds} s`, 'handshakeTimeout'));
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    this.#origin.stranger?.failed(performance.now());
    this.#over(reason);
  }

  #over(reason: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#origin.stranger?.known();
    this.#host.ended(this);
    if (reason !== null) log('the handshake of %s has failed: %s', this.#origin.address, reason);
  }
}

function refuse(connection: Connection, error: ProtocolError): void {
  connection.end({ type: 'Reject', code: error.code, message: error.message });
}
