/**
 * Where to look for a Queen, for Drones and clients alike, in this order: at the addresses that were named; at the one that
 * a Queen of this machine has left in the data folder; where discovery hears of one; where a scan finds a port open.
 *
 * Whoever named addresses wants no other Queen: discovery then only tells where the one that was met before is now. What
 * it finds here are places to dial, nothing more; who answers there shows in the handshake.
 */
import type { KnownQueen } from '../../discovery/directory.ts';
import { LIMITS } from '../../limits.ts';
import type { QueenId } from '../../units.ts';
import { type Address, formatAddress } from '../address.ts';
import type { Reach } from './interfaces.ts';
import { type PortRange, scan } from './scan.ts';
import { DiscoverySeeker, type SeekerStats } from './seeker.ts';
import type { Verifier } from './settings.ts';

/** An address, and who says so. */
export interface Place {
  readonly address: Address;
  readonly source: string;
}
export interface FinderOptions {
  /** Named addresses, or the one in the data folder. Asked anew each time. */
  readonly known: () => readonly Place[];
  /** Whether those were named. */
  readonly isNamed: boolean;
  /** Null: nobody is asked and nothing is heard. */
  readonly discovery: {
    readonly verifier: Verifier;
    readonly port: number;
    readonly reach?: Reach;
  } | null;
  readonly scan?: readonly PortRange[];
  /** Discovery has heard of a Queen, or of another address of hers. */
  readonly onQueen?: () => void;
}

/** An address that failed is not proposed for this long while there are others. */
const FAILED_MILLIS = 10_000;
/** Something listens there and is no Queen. */
const STRANGE_MILLIS = 60_000;
const SCAN_AGAIN_MILLIS = 5_000;
/** Open ports of one scan that are proposed. */
const SCANNED_MAX = 16;

export class QueenFinder {
  readonly #options: FinderOptions;
  #seeker: DiscoverySeeker | null = null;
  #seeking: Promise<unknown> = Promise.resolve();
  /** Queens that were reached, and where last; the latest is the last one. */
  readonly #met = new Map<QueenId, string | null>();
  readonly #failedAt = new Map<string, number>();
  #scanned: readonly Address[] = [];
  #scanning: Promise<void> | null = null;
  #scannedAt = Number.NEGATIVE_INFINITY;
  readonly #abort = new AbortController();

  constructor(options: FinderOptions) {
    this.#options = options;
  }

  get isNamed(): boolean {
    return this.#options.isNamed;
  }
  /** Null while it does not seek. */
  get stats(): SeekerStats | null {
    return this.#seeker?.stats ?? null;
  }

  /** What needs no asking. */
  known(): readonly Place[] {
    return this.#options.known();
  }

  /** Where discovery says that Queens are; asks, and waits so long for the first of them if none is known. */
  async discovered(waitMillis: number, signal?: AbortSignal): Promise<Place[]> {
    const { discovery, isNamed } = this.#options;
    if (discovery === null || this.#abort.signal.aborted || (isNamed && this.#met.size === 0)) return [];
    const seeker = await this.#seek(discovery);
    if (seeker === null) return [];
    const heard = waitMillis > 0 ? await seeker.find(waitMillis, signal) : seeker.queens();
    const known = new Set(this.known().map(({ address }) => formatAddress(address)));
    return heard
      .filter(({ queen }) => !isNamed || this.#met.has(queen))
      .sort((a, b) => Number(this.#met.has(b.queen)) - Number(this.#met.has(a.queen)))
      .map((queen) => ({ address: this.#bestOf(queen, known), source: `heard from ${queen.name}` }));
  }

  /** Where a scan finds somebody listening; the last one's result while the next is not due. */
  async scanned(signal?: AbortSignal): Promise<Place[]> {
    const { scan: ranges = [] } = this.#options;
    if (ranges.length === 0) return [];
    if (performance.now() - this.#scannedAt >= SCAN_AGAIN_MILLIS) this.#scanning ??= this.#scan(ranges);
    if (this.#scanning !== null) await giveUpWith(this.#scanning, signal);
    return this.#scanned
      .filter((address) => this.#sinceFailed(address) >= STRANGE_MILLIS)
      .slice(0, SCANNED_MAX)
      .map((address) => ({ address, source: 'found by scanning' }));
  }

  /** A Queen was reached, there if it is known. */
  reached(queen: QueenId, address?: Address): void {
    this.#met.delete(queen);
    this.#met.set(queen, address === undefined ? null : formatAddress(address));
    if (address !== undefined) this.#failedAt.delete(formatAddress(address));
    if (this.#met.size <= LIMITS.queensKnownMax) return;
    for (const oldest of this.#met.keys()) {
      this.#met.delete(oldest);
      return;
    }
  }
  /** Nobody was reached there, or somebody else. */
  failed(address: Address): void {
    const text = formatAddress(address);
    this.#failedAt.delete(text);
    this.#failedAt.set(text, performance.now());
    if (this.#failedAt.size <= LIMITS.ratedAddressesMax) return;
    for (const oldest of this.#failedAt.keys()) {
      this.#failedAt.delete(oldest);
      return;
    }
  }

  /** Hears nothing any more until it is asked again. */
  async rest(): Promise<void> {
    const seeker = this.#seeker;
    this.#seeker = null;
    await this.#seeking;
    await seeker?.close();
  }
  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.all([this.rest(), this.#scanning]);
  }

  async #seek(discovery: NonNullable<FinderOptions['discovery']>): Promise<DiscoverySeeker | null> {
    if (this.#seeker === null) {
      this.#seeker = new DiscoverySeeker({ ...discovery, onQueen: () => this.#options.onQueen?.() });
      // A machine without UDP has no discovery; the other ways are left.
      this.#seeking = this.#seeker.start().catch(() => {});
    }
    const seeker = this.#seeker;
    await this.#seeking;
    return seeker;
  }

  /** Who is reached already should not be dialled at another address of hers. */
  #bestOf({ queen, addresses }: KnownQueen, known: ReadonlySet<string>): Address {
    const isReached = (text: string) => known.has(text) || this.#met.get(queen) === text;
    const same = addresses.find(
      (address) => isReached(formatAddress(address)) && this.#sinceFailed(address) >= FAILED_MILLIS,
    );
    const fresh = addresses.find((address) => this.#sinceFailed(address) >= FAILED_MILLIS);
    return same ?? fresh ?? addresses[0]!;
  }

  #sinceFailed(address: Address): number {
    return performance.now() - (this.#failedAt.get(formatAddress(address)) ?? Number.NEGATIVE_INFINITY);
  }

  async #scan(ranges: readonly PortRange[]): Promise<void> {
    const found: Address[] = [];
    await scan(ranges, (address) => found.push(address), { signal: this.#abort.signal });
    this.#scanned = found;
    this.#scannedAt = performance.now();
    this.#scanning = null;
  }
}

function giveUpWith(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    void promise.then(resolve);
  });
}

/** One place for each address: the first one that names it. */
export function distinct(places: readonly Place[]): Place[] {
  const seen = new Set<string>();
  return places.filter(({ address }) => {
    const text = formatAddress(address);
    return !seen.has(text) && seen.add(text);
  });
}
