/**
 * The listening socket: accepts connections, sees to their handshakes, and hands sessions to the runtime. A stranger who
 * says nothing, too much or the wrong thing, or has no key, is dropped here and never reaches the scheduler.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LIMITS, sessionNumber, UsageError } from '@hive/shared';
import {
  type Address,
  type Connection,
  type ConnectionHandlers,
  formatAddress,
  type Keyring,
} from '@hive/shared/node';
import debug from 'debug';
import { type Gate, type Greeting, Handshake, type HandshakeHost } from './handshake.ts';
import { isQuestion } from './questions.ts';
import type { Runtime } from './runtime.ts';
import { mayTaskSay } from './scheduler/index.ts';
import { Strangers } from './strangers.ts';

const log = debug('hive:queen:server');
/** Ports that are tried after the preferred one when that is taken and nobody insisted on it. */
const PORTS_TRIED = 100;
/** How often unfinished handshakes are looked at for too many bytes. */
const WATCH_MILLIS = 250;

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Fail when the port is taken, instead of taking the next free one. */
  readonly isPortFixed: boolean;
}
export interface ServerOptions {
  /** Who may come in; null lets everybody. */
  readonly keys: Keyring | null;
  /** Time for a peer to finish its handshake, in milliseconds. */
  readonly handshakeMillis?: number | undefined;
}

export class QueenServer {
  readonly #runtime: Runtime;
  readonly #server: Server;
  readonly #keys: Keyring | null;
  readonly #strangers = new Strangers();
  readonly #greeting = new Set<Handshake>();
  readonly #handshakeMillis: number;
  #watch: NodeJS.Timeout | null = null;
  #sessions = 0;

  constructor(runtime: Runtime, { keys, handshakeMillis = LIMITS.handshakeMillis }: ServerOptions) {
    this.#runtime = runtime;
    this.#keys = keys;
    this.#handshakeMillis = handshakeMillis;
    this.#server = createServer({ noDelay: true }, (socket) => this.accept(socket));
  }

  /** @returns the address that was taken. @throws UsageError when none can be */
  async listen({ host, port, isPortFixed }: ListenOptions): Promise<Address> {
    const last = isPortFixed || port === 0 ? port : Math.min(65_535, port + PORTS_TRIED);
    for (let next = port; ; next++) {
      try {
        return await this.#listenOn(host, next);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'EADDRINUSE' && next < last) continue;
        throw new UsageError(listenProblem(code, message, { host, port: next }, isPortFixed), code);
      }
    }
  }

  #listenOn(host: string, port: number): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => log('accept failed: %O', error));
        log('listens on %s', host);
        const { port: taken } = this.#server.address() as { port: number };
        resolve({ host, port: taken });
      });
    });
  }

  async close(): Promise<void> {
    for (const handshake of this.#greeting) handshake.drop('the Queen stops');
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /**
   * A connection, whoever dialled it: the Queen is the server of TLS, and the other end says Hello.
   * @param gate of whoever dialled it here. Who is dialled is no stranger: it does not count as one that came.
   */
  accept(socket: Socket, gate: Gate | null = null): void {
    const host = socket.remoteAddress ?? '?';
    const drop = () => handshake.drop('others came');
    const stranger = gate === null ? this.#strangers.admit(host, drop, performance.now()) : null;
    if (gate === null && stranger === null) {
      socket.resetAndDestroy();
      return;
    }
    const address = formatAddress({ host, port: socket.remotePort ?? 0 });
    const handshake = new Handshake(this.#greeter(address), socket, { stranger, gate, address });
    this.#greeting.add(handshake);
    this.#watch ??= setInterval(() => this.#dropTooLong(), WATCH_MILLIS);
    void handshake.begin();
  }

  #greeter(address: string): HandshakeHost {
    const runtime = this.#runtime;
    return {
      keys: this.#keys,
      queen: runtime.queen,
      handshakeMillis: this.#handshakeMillis,
      isRevoked: (keyId) => runtime.isRevoked(keyId),
      isMinted: (key, task) => runtime.tokens.isMinted(key, task),
      welcome: (connection, greeting) => this.#welcome(connection, address, greeting),
      ended: (handshake) => {
        this.#greeting.delete(handshake);
        if (this.#greeting.size === 0) this.#stopWatching();
      },
    };
  }

  /** From now on it is a session. */
  #welcome(
    connection: Connection,
    address: string,
    { hello, sessionId, key, signature }: Greeting,
  ): ConnectionHandlers {
    const session = sessionNumber(++this.#sessions);
    const runtime = this.#runtime;
    runtime.admit(session, connection);
    runtime.push({
      type: 'peerJoined',
      session,
      hello,
      address,
      sessionId,
      ...(key === null ? {} : { key }),
      ...(signature === null ? {} : { signature }),
    });
    // What an observer or a task may not send is the scheduler's to refuse, before anything else looks at it.
    const isObserver = hello.role === 'observer';
    const { task } = hello;
    return {
      message: (message) => {
        const isRefused = task !== undefined && !mayTaskSay(runtime.scheduler.state, task, message);
        if (isQuestion(message) && !isRefused) runtime.ask(session, message);
        else if (isObserver || isRefused) runtime.push({ type: 'messageReceived', session, message });
        else runtime.receive(session, message);
      },
      closed: (error) => {
        log('session %d from %s closed: %s', session, address, error?.message ?? 'by the peer');
        runtime.closed(session, reasonOf(error));
      },
      drained: () => runtime.drained(session),
    };
  }

  #dropTooLong(): void {
    for (const handshake of this.#greeting) if (handshake.isTooLong) handshake.refuse();
  }

  #stopWatching(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
  }
}

function reasonOf(error: Error | null): string {
  if (error === null) return 'it closed the connection';
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'its connection was cut' : error.message;
}

function listenProblem(
  code: string | undefined,
  message: string,
  address: Address,
  isPortFixed: boolean,
): string {
  const where = formatAddress(address);
  if (code === 'EADDRINUSE') {
    return isPortFixed
      ? `Port ${address.port} is taken. Choose another one with --port, or leave --port out to take the next free one.`
      : `No port is free from there to ${where}. Choose one with --port.`;
  }
  if (code === 'EACCES')
    return `Port ${address.port} needs more rights than this user has. Choose one above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `This machine has no address ${address.host} to listen on.`;
  return `Cannot listen on ${where}: ${message}`;
}
