/**
 * The way to a Queen who has dialled this Drone, for tasks that submit work: their threads dial a door of this process,
 * the Queen is asked to dial once more, and the two connections are joined. The thread speaks TLS with the Queen right through it.
 *
 * A door is on the loopback only, and closed behind the first who comes. Whoever else that is has no key, and is nobody to the Queen.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import type { LeaseNumber, QueenId } from '@hive/shared';
import { LIMITS } from '@hive/shared';
import { formatAddress, LOOPBACK } from '@hive/shared/node';

/** How a Queen is asked. False: there is no session with her. */
export type AskQueen = (queen: QueenId, lease: LeaseNumber) => boolean;

/** A thread that waits for its Queen to dial. */
interface Waiting {
  readonly socket: Socket;
  /** Where she is expected from. */
  readonly host: string;
  readonly timer: NodeJS.Timeout;
}

/** More than these are sent away: their tasks are tried again. */
const WAITING_MAX = 64;

export class DialBacks {
  readonly #ask: AskQueen;
  readonly #doors = new Set<Server>();
  /** In the order in which Queens were asked. */
  readonly #waiting: Waiting[] = [];
  readonly #joined = new Set<Socket>();

  constructor(ask: AskQueen) {
    this.#ask = ask;
  }

  /**
   * A door for one connection: where a thread dials in the name of this lease, within 10 s.
   * @param host from where its Queen has dialled
   */
  async doorFor(queen: QueenId, lease: LeaseNumber, host: string): Promise<string> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      server.close();
      this.#entered(socket, queen, lease, host);
    });
    const timer = setTimeout(() => server.close(), LIMITS.handshakeMillis);
    this.#doors.add(server);
    server.once('close', () => {
      clearTimeout(timer);
      this.#doors.delete(server);
    });
    server.listen({ host: LOOPBACK, port: 0 });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return formatAddress({ host: LOOPBACK, port });
  }

  /** Takes a connection from a Queen if one is awaited from there. */
  take(socket: Socket): boolean {
    const at = this.#waiting.findIndex(({ host }) => host === socket.remoteAddress);
    if (at < 0) return false;
    const [waiting] = this.#waiting.splice(at, 1);
    clearTimeout(waiting!.timer);
    this.#join(waiting!.socket, socket);
    return true;
  }

  /** Resolves when nothing listens any more. */
  async close(): Promise<void> {
    for (const { socket, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      socket.destroy();
    }
    for (const socket of this.#joined) socket.destroy();
    const closed = [...this.#doors].map((server) => new Promise((resolve) => server.close(resolve)));
    await Promise.all(closed);
  }

  #entered(socket: Socket, queen: QueenId, lease: LeaseNumber, host: string): void {
    socket.on('error', () => {});
    if (this.#waiting.length >= WAITING_MAX || !this.#ask(queen, lease)) {
      socket.destroy();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), LIMITS.handshakeMillis);
    const waiting: Waiting = { socket, host, timer };
    this.#waiting.push(waiting);
    socket.once('close', () => {
      clearTimeout(timer);
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
    });
  }

  #join(thread: Socket, queen: Socket): void {
    for (const socket of [thread, queen]) {
      this.#joined.add(socket);
      socket.once('close', () => this.#joined.delete(socket));
    }
    // When one of them ends, so does the other.
    pipeline(thread, queen, thread, () => {
      thread.destroy();
      queen.destroy();
    });
  }
}
