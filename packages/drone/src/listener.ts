/**
 * A Drone that waits to be dialled: for where a Queen reaches the Drone and not the other way round. Whoever connects is
 * only a stranger until a Welcome has come; strangers are few and have little time.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LIMITS, UsageError } from '@hive/shared';
import { type Address, formatAddress, type PortRange } from '@hive/shared/node';

export interface ListenerHost {
  /** A bare connection, to be secured and greeted. `greeted` is called when its other end has turned out to be a Queen. */
  take(socket: Socket, greeted: () => void): void;
}

export class DroneListener {
  readonly #server: Server;
  readonly #host: ListenerHost;
  readonly #strangers = new Map<Socket, NodeJS.Timeout>();
  readonly #greetMillis: number;
  /** Connections that were not taken because there were too many. */
  refused = 0;

  constructor(host: ListenerHost, greetMillis: number = LIMITS.handshakeMillis) {
    this.#host = host;
    this.#greetMillis = greetMillis;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  get strangers(): number {
    return this.#strangers.size;
  }

  /** Takes the first port of the range that is free. @throws UsageError when none is */
  async listen({ host, first, last }: PortRange): Promise<Address> {
    for (let port = first; port <= last; port++) {
      try {
        await this.#listenOn(host, port);
        return { host, port };
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'EADDRINUSE') continue;
        throw new UsageError(`Cannot listen on ${formatAddress({ host, port })}: ${message}`, code);
      }
    }
    throw new UsageError(
      `No port from ${first} to ${last} is free. Choose other ones with --listen.`,
      'EADDRINUSE',
    );
  }

  /** Resolves when nothing listens any more. Sessions are their links'. */
  async close(): Promise<void> {
    for (const socket of this.#strangers.keys()) socket.destroy();
    if (this.#server.listening) await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #listenOn(host: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        // What the system cannot accept is lost to whoever dialled, and they will dial again.
        this.#server.on('error', () => {});
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    if (this.#strangers.size >= LIMITS.callersMax) {
      this.refused++;
      socket.destroy();
      return;
    }
    // What goes wrong with it shows in its closing.
    socket.on('error', () => {});
    this.#strangers.set(
      socket,
      setTimeout(() => socket.destroy(), this.#greetMillis),
    );
    socket.once('close', () => this.#forget(socket));
    this.#host.take(socket, () => this.#forget(socket));
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#strangers.get(socket));
    this.#strangers.delete(socket);
  }
}
