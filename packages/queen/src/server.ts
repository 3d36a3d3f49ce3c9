/**
 * The listening socket: accepts connections, does the handshake, and hands sessions to the runtime. A stranger who says
 * nothing, too much or the wrong thing is dropped here and never reaches the scheduler.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import {
  agreeOnVersion,
  LIMITS,
  type Message,
  ProtocolError,
  Session,
  type SessionNumber,
  sessionNumber,
  UsageError,
} from '@hive/shared';
import { type Address, Connection, formatAddress } from '@hive/shared/node';
import debug from 'debug';
import type { Runtime } from './runtime.ts';

const log = debug('hive:queen:server');
/** Ports that are tried after the preferred one when that is taken and nobody insisted on it. */
const PORTS_TRIED = 100;

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Fail when the port is taken, instead of taking the next free one. */
  readonly isPortFixed: boolean;
}
/** Time for a peer to say Hello, in milliseconds. */
export interface ServerOptions {
  readonly handshakeMillis?: number;
}

export class QueenServer {
  readonly #runtime: Runtime;
  readonly #server: Server;
  readonly #greeting = new Set<Connection>();
  readonly #handshakeMillis: number;
  #sessions = 0;

  constructor(runtime: Runtime, { handshakeMillis = LIMITS.handshakeMillis }: ServerOptions = {}) {
    this.#runtime = runtime;
    this.#handshakeMillis = handshakeMillis;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
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
    for (const connection of this.#greeting) connection.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const session = new Session(null);
    const number = sessionNumber(++this.#sessions);
    const address = formatAddress({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
    let isOpen = false;
    const timer = setTimeout(() => {
      const seconds = this.#handshakeMillis / 1000;
      refuse(connection, new ProtocolError(`no Hello within ${seconds} s`, 'handshakeTimeout'));
    }, this.#handshakeMillis);
    const connection = new Connection(socket, session, {
      message: (message) => {
        if (isOpen) {
          this.#runtime.receive(number, message);
          return;
        }
        isOpen = this.#greet(connection, number, address, message);
        if (!isOpen) return;
        clearTimeout(timer);
        this.#greeting.delete(connection);
      },
      closed: (error) => {
        clearTimeout(timer);
        this.#greeting.delete(connection);
        log('session %d from %s closed: %s', number, address, error?.message ?? 'by the peer');
        if (isOpen) this.#runtime.closed(number, reasonOf(error));
      },
      drained: () => this.#runtime.drained(number),
    });
    this.#greeting.add(connection);
  }

  /** The first message of a session. True when it is a Hello that we accept. */
  #greet(connection: Connection, session: SessionNumber, address: string, message: Message): boolean {
    if (message.type !== 'Hello') return false;
    try {
      agreeOnVersion(message);
      checkRole(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      log('refused %s: %s', address, error.message);
      refuse(connection, error);
      return false;
    }
    connection.session.open(message.role);
    this.#runtime.admit(session, connection);
    const sessionId = randomBytes(16).toString('hex');
    this.#runtime.push({ type: 'peerJoined', session, hello: message, address, sessionId });
    return true;
  }
}

function checkRole(hello: Message<'Hello'>): void {
  if (hello.role === 'node') throw new ProtocolError('this Queen does not accept nodes yet', 'badRole');
  if (hello.role === 'drone' && (hello.slots === undefined || hello.kinds === undefined)) {
    throw new ProtocolError('a Drone must say its slots and kinds in Hello', 'badRole');
  }
}

function refuse(connection: Connection, error: ProtocolError): void {
  connection.end({ type: 'Reject', code: error.code, message: error.message });
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
