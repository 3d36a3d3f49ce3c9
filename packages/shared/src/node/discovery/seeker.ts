/**
 * The newcomer's side of discovery: asks at once, then listens, and tells of Queens as they come, move and go. Only Queens
 * of its own cluster count, and only what their key has signed.
 */
import { randomBytes } from 'node:crypto';
import type { RemoteInfo } from 'node:dgram';
import {
  type DatagramVerifier,
  decodeAnnouncement,
  encodeQuestion,
  NONCE_BYTES,
} from '../../discovery/datagram.ts';
import { type KnownQueen, QueenDirectory } from '../../discovery/directory.ts';
import { RateLimiter } from '../../discovery/rate-limiter.ts';
import { LIMITS } from '../../limits.ts';
import { type Address, formatAddress, isLoopback } from '../address.ts';
import { type Reach, type WayOut, waysOut } from './interfaces.ts';
import type { Verifier } from './settings.ts';
import { DiscoverySocket } from './socket.ts';

export interface SeekerOptions {
  readonly verifier: Verifier;
  /** UDP port at which Queens listen, and to which they announce. */
  readonly port: number;
  /** How far it asks; default: everywhere. */
  readonly reach?: Reach;
  /** How often it asks while it knows no Queen, in the long run. Default: 5 s. */
  readonly everyMillis?: number;
  /** A Queen that was not known, or has another address or life now. */
  readonly onQueen?: (queen: KnownQueen) => void;
  /** One that was not heard for too long. */
  readonly onGone?: (queen: KnownQueen) => void;
  /** For tests: the ways out of this machine. */
  readonly ways?: () => readonly WayOut[];
}
export interface SeekerStats {
  /** Questions that left, by every way, and those that could not, with the last reason. */
  readonly asked: number;
  readonly failed: number;
  readonly failure: string | null;
  /** Announcements that counted; said before; not signed by a Queen; of other clusters; more than can be checked. */
  readonly heard: number;
  readonly replayed: number;
  readonly forged: number;
  readonly foreign: number;
  readonly limited: number;
  /** Where Queens of other clusters say that they are; a few, and unproven. */
  readonly foreignAddresses: readonly string[];
  /** Why announcements cannot be heard; null when they can. Answers are heard anyway. */
  readonly deaf: string | null;
}

/** A datagram may be lost: it asks again after these times, and then at its interval. */
const ASK_AGAIN_MILLIS = [250, 750, 1_500];
/** Questions whose answers still count. */
const NONCES_MAX = 8;
const FOREIGN_MAX = 16;

export class DiscoverySeeker {
  readonly #options: SeekerOptions;
  readonly #directory = new QueenDirectory();
  readonly #limiter: RateLimiter;
  readonly #nonces: string[] = [];
  #asker: DiscoverySocket | null = null;
  #listener: DiscoverySocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** As it was when it asked last. */
  #verifier: DatagramVerifier | null = null;
  #isClosed = false;
  #rounds = 0;
  #wake: (() => void)[] = [];
  #counts = { heard: 0, replayed: 0, forged: 0, foreign: 0, limited: 0 };
  readonly #foreignAddresses = new Set<string>();
  #deaf: string | null = null;

  constructor(options: SeekerOptions) {
    this.#options = options;
    const { verifiesPerAddress: perAddress, verifiesPerSecond: overall } = LIMITS;
    this.#limiter = new RateLimiter({ perAddress, overall }, performance.now());
  }

  get stats(): SeekerStats {
    const { sent = 0, failed = 0, failure = null } = this.#asker ?? {};
    const foreignAddresses = [...this.#foreignAddresses];
    const asked = { asked: sent, failed, failure: failure?.message ?? null };
    return { ...asked, ...this.#counts, foreignAddresses, deaf: this.#deaf };
  }

  /** All that are known now. */
  queens(): KnownQueen[] {
    this.#expire();
    return this.#directory.queens();
  }

  /** Opens its sockets and asks. @throws Error when this machine has no UDP at all */
  async start(): Promise<void> {
    const heard = (datagram: Buffer, from: RemoteInfo) => this.#heard(datagram, from);
    this.#asker = await DiscoverySocket.bind(0, heard);
    try {
      this.#listener = await DiscoverySocket.bind(this.#options.port, heard);
    } catch (error) {
      this.#deaf = (error as Error).message;
    }
    if (this.#isClosed) {
      await this.close();
      return;
    }
    await this.ask();
    this.#plan();
  }

  /** Asks everybody, now. Resolves when the questions have left. */
  async ask(): Promise<void> {
    this.#verifier = this.#options.verifier();
    if (this.#verifier === null) return;
    const { cluster } = this.#verifier;
    const ways = this.#ways();
    const nonce = randomBytes(NONCE_BYTES);
    if (this.#nonces.push(nonce.toString('hex')) > NONCES_MAX) this.#nonces.shift();
    const question = encodeQuestion({ cluster, nonce });
    this.#listener?.join(ways);
    await this.#asker?.sendAll(ways, this.#options.port, () => question);
  }

  /** Asks, and resolves with those that are known as soon as there is one, or with none when the time is over. */
  async find(waitMillis: number, signal?: AbortSignal): Promise<KnownQueen[]> {
    if (this.queens().length === 0 && !this.#isClosed && !signal?.aborted) {
      this.#rounds = 0;
      this.#plan();
      await this.#whenHeard(waitMillis, signal, this.ask());
    }
    return this.queens();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const wake of this.#wake.splice(0)) wake();
    await Promise.all([this.#asker?.close(), this.#listener?.close()]);
  }

  #whenHeard(waitMillis: number, signal: AbortSignal | undefined, asked: Promise<void>): Promise<void> {
    asked.catch(() => {});
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#wake = this.#wake.filter((other) => other !== done);
        resolve();
      };
      const timer = setTimeout(done, waitMillis);
      signal?.addEventListener('abort', done, { once: true });
      this.#wake.push(done);
    });
  }

  #ways(): readonly WayOut[] {
    const { ways, reach = 'everywhere' } = this.#options;
    return ways === undefined ? waysOut(reach) : ways();
  }

  /** One timer: it asks again while nobody is known, looks for interfaces that have come, and forgets who has gone. */
  #plan(): void {
    if (this.#isClosed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { everyMillis = LIMITS.announceMillis } = this.#options;
    const delay = Math.min(ASK_AGAIN_MILLIS[this.#rounds++] ?? everyMillis, everyMillis);
    this.#timer = setTimeout(() => void this.#tick(), delay);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    this.#expire();
    // Who cannot hear announcements must go on asking, or would forget whom it knows.
    if (this.#directory.size === 0 || this.#listener === null) await this.ask();
    else this.#listener.join(this.#ways());
    this.#plan();
  }

  #expire(): void {
    for (const queen of this.#directory.expire(performance.now())) this.#options.onGone?.(queen);
  }

  #heard(datagram: Buffer, { address }: RemoteInfo): void {
    if (this.#options.reach === 'loopback' && !isLoopback(address)) return;
    // Questions of other newcomers come by here, too.
    const found = decodeAnnouncement(datagram);
    const verifier = this.#verifier;
    if (found === null || verifier === null) return;
    const { announcement, signed, signature } = found;
    if (announcement.cluster !== verifier.cluster) this.#foreign({ host: address, port: announcement.port });
    else if (!this.#isForUs(announcement.nonce) || this.#directory.isStale(announcement))
      this.#counts.replayed++;
    else if (!this.#limiter.admits(address, performance.now())) this.#counts.limited++;
    else if (!verifier.verify(signed, signature)) this.#counts.forged++;
    else this.#learn(announcement, address);
  }

  #foreign(where: Address): void {
    this.#counts.foreign++;
    if (this.#foreignAddresses.size < FOREIGN_MAX) this.#foreignAddresses.add(formatAddress(where));
  }

  /** An announcement to all, or an answer to a question of our own. */
  #isForUs(nonce: Uint8Array | undefined): boolean {
    return nonce === undefined || this.#nonces.includes(Buffer.from(nonce).toString('hex'));
  }

  #learn(announcement: Parameters<QueenDirectory['hear']>[0], host: string): void {
    this.#counts.heard++;
    const heard = this.#directory.hear(announcement, host, performance.now());
    if (heard !== 'new' && heard !== 'moved') return;
    this.#options.onQueen?.(this.#directory.get(announcement.queen)!);
    for (const wake of this.#wake.splice(0)) wake();
  }
}
