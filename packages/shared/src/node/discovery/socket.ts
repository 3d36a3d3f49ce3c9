/**
 * A UDP socket that reaches everybody: broadcast and multicast on every way out. Several processes of one machine may have
 * the same port; what is broadcast reaches all of them, what is sent to one address only the last, so nothing is.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { DISCOVERY_GROUP } from '../../discovery/datagram.ts';
import type { WayOut } from './interfaces.ts';

export class DiscoverySocket {
  readonly #socket: Socket;
  #isClosed = false;
  /** Datagrams that left, and those that could not, with the last reason. */
  sent = 0;
  failed = 0;
  failure: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * @param port 0 for any free one; another one is shared with whoever shares it, too
   * @throws Error (EADDRINUSE) when somebody has the port for itself, (EACCES) when it needs more rights
   */
  static async bind(port: number, heard: (datagram: Buffer, from: RemoteInfo) => void) {
    const socket = createSocket({ type: 'udp4', reuseAddr: port !== 0 });
    socket.on('message', heard);
    socket.bind({ port, address: '0.0.0.0' });
    try {
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    const shared = new DiscoverySocket(socket);
    socket.on('error', (error) => shared.#note(error));
    socket.setBroadcast(true);
    socket.setMulticastTTL(1);
    return shared;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Hears what is sent to the group on these ways; those that it has joined before it joins anew, for they may have gone. */
  join(ways: readonly WayOut[]): void {
    for (const { address } of ways) {
      try {
        this.#socket.addMembership(DISCOVERY_GROUP, address);
      } catch {
        // It has joined there already, or the interface is gone by now, or takes no multicast: broadcast is left.
      }
    }
  }

  /** Sends to everybody on these ways, each time another datagram. Resolves when all of them have left, or cannot. */
  async sendAll(ways: readonly WayOut[], port: number, make: () => Uint8Array): Promise<void> {
    for (const { address, broadcast } of ways) {
      if (broadcast !== null) await this.send(make(), { address: broadcast, port });
      if (this.#isClosed) return;
      try {
        // Between two sends: it holds for what is sent next.
        this.#socket.setMulticastInterface(address);
      } catch (error) {
        this.#note(error as Error);
        continue;
      }
      await this.send(make(), { address: DISCOVERY_GROUP, port });
    }
  }

  send(datagram: Uint8Array, { address, port }: { address: string; port: number }): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.send(datagram, port, address, (error) => {
        if (error) this.#note(error);
        else this.sent++;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #note(error: Error): void {
    this.failed++;
    this.failure = error;
  }
}
