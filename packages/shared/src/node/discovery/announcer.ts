/**
 * The Queen's side of discovery: tells everybody where she is, again and again, and answers newcomers. It never says more
 * than it was asked with, nor more often than the limits allow, and nothing that it hears can stop it.
 */
import type { RemoteInfo } from 'node:dgram';
import {
  type Announcement,
  type DatagramSigner,
  decodeQuestion,
  encodeAnnouncement,
} from '../../discovery/datagram.ts';
import { RateLimiter } from '../../discovery/rate-limiter.ts';
import { LIMITS } from '../../limits.ts';
import { type Reach, type WayOut, waysOut } from './interfaces.ts';
import type { Signers } from './settings.ts';
import { DiscoverySocket } from './socket.ts';

/** What she says of herself. `port` is that of her TCP socket. */
export type QueenInfo = Pick<Announcement, 'queen' | 'incarnation' | 'epoch' | 'name' | 'port'>;

export interface AnnouncerOptions {
  readonly signers: Signers;
  /** UDP port at which newcomers ask, and to which she announces. */
  readonly port: number;
  readonly everyMillis?: number;
  /** How far; default: everywhere. */
  readonly reach?: Reach;
  /** For tests: the ways out of this machine. */
  readonly ways?: () => readonly WayOut[];
}
export interface AnnouncerStats {
  /** Datagrams that left, in all. */
  readonly sent: number;
  /** Datagrams that could not leave. */
  readonly failed: number;
  /** Questions that were answered, and that were not because there were too many. */
  readonly answered: number;
  readonly limited: number;
  /** Datagrams that are neither a question nor from a Queen, and questions of other clusters. */
  readonly forged: number;
  readonly foreign: number;
  /** Why newcomers cannot be heard; null when they can. */
  readonly deaf: string | null;
}

/** Nonces that were answered lately: a question comes by broadcast and by multicast, and is answered once. */
const ANSWERED_MAX = 1_024;

export class DiscoveryAnnouncer {
  readonly #info: QueenInfo;
  readonly #options: AnnouncerOptions;
  readonly #everyMillis: number;
  readonly #limiter: RateLimiter;
  readonly #answeredTo = new Set<string>();
  #socket: DiscoverySocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;
  #serial = 0;
  #answered = 0;
  #limited = 0;
  #forged = 0;
  #foreign = 0;
  #deaf: string | null = null;

  constructor(info: QueenInfo, options: AnnouncerOptions) {
    this.#info = info;
    this.#options = options;
    this.#everyMillis = options.everyMillis ?? LIMITS.announceMillis;
    const { answersPerAddress: perAddress, answersPerSecond: overall } = LIMITS;
    this.#limiter = new RateLimiter({ perAddress, overall }, performance.now());
  }

  get stats(): AnnouncerStats {
    const { sent = 0, failed = 0 } = this.#socket ?? {};
    return {
      sent,
      failed,
      answered: this.#answered,
      limited: this.#limited,
      forged: this.#forged,
      foreign: this.#foreign,
      deaf: this.#deaf,
    };
  }

  /** Announces at once. When somebody has the port for itself, newcomers are not heard, and that is all. */
  async start(): Promise<void> {
    const heard = (datagram: Buffer, from: RemoteInfo) => this.#heard(datagram, from);
    try {
      this.#socket = await DiscoverySocket.bind(this.#options.port, heard);
    } catch (error) {
      this.#deaf = (error as Error).message;
      this.#socket = await DiscoverySocket.bind(0, () => {});
    }
    await this.#announce();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#socket?.close();
  }

  async #announce(): Promise<void> {
    const socket = this.#socket;
    if (socket === null || this.#isClosed) return;
    const ways = this.#ways();
    socket.join(ways);
    for (const signer of this.#options.signers()) {
      await socket.sendAll(ways, this.#options.port, () => this.#datagram(signer));
      if (this.#isClosed) return;
    }
    this.#timer = setTimeout(() => void this.#announce(), this.#everyMillis);
    this.#timer.unref();
  }

  #ways(): readonly WayOut[] {
    const { ways, reach = 'everywhere' } = this.#options;
    return ways === undefined ? waysOut(reach) : ways();
  }

  #datagram(signer: DatagramSigner, nonce?: Uint8Array): Uint8Array {
    const { cluster } = signer;
    const announcement = { ...this.#info, cluster, serial: ++this.#serial, everyMillis: this.#everyMillis };
    return encodeAnnouncement(nonce === undefined ? announcement : { ...announcement, nonce }, signer);
  }

  #heard(datagram: Buffer, from: RemoteInfo): void {
    const question = decodeQuestion(datagram);
    if (question === null) {
      // Announcements of Queens come by here, too.
      if (datagram.length === LIMITS.datagramBytes) this.#forged++;
      return;
    }
    const signer = this.#options.signers().find(({ cluster }) => cluster === question.cluster);
    if (signer === undefined) {
      this.#foreign++;
      return;
    }
    if (!this.#reaches(from.address)) return;
    const once = `${from.address} ${Buffer.from(question.nonce).toString('hex')}`;
    if (this.#answeredTo.has(once)) return;
    if (!this.#limiter.admits(from.address, performance.now())) {
      this.#limited++;
      return;
    }
    if (this.#answeredTo.size >= ANSWERED_MAX) this.#answeredTo.clear();
    this.#answeredTo.add(once);
    this.#answered++;
    void this.#socket?.send(this.#datagram(signer, question.nonce), from);
  }

  /** A Queen who listens on this machine only is no use to others. */
  #reaches(host: string): boolean {
    return this.#options.reach !== 'loopback' || host.startsWith('127.');
  }
}
