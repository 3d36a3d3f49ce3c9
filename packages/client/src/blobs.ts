/**
 * Blobs that jobs of this client need: offered to the Queen before the job is submitted, and given to her piece by piece if
 * she does not have them. What was offered is remembered, so that a Queen who has lost it since (her store was in memory,
 * or a day has gone by) gets it again before she is told of the job again.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { LIMITS, type Message, StreamServer, type StreamSource, UsageError } from '@hive/shared';
import { Deferred } from './deferred.ts';
import { bytesStream, fileStream } from './streams.ts';

/** Where blobs travel: the one session. */
export interface BlobWire {
  readonly bufferedBytes: number;
  /** Somebody waits from now on: see `isIdle`. */
  mayWait(): void;
  send(message: Message<'BlobHave' | 'BlobChunk' | 'StreamChunk'>): void;
}
interface Offer {
  readonly hash: string;
  readonly source: StreamSource;
  readonly here: Deferred<void>;
}
/** For so long it need not be asked again: the Queen keeps what she has for longer than that. */
const FRESH_MILLIS = LIMITS.blobKeptMillisMin / 2;
/** Sources that are remembered, and the bytes of memory that they may occupy. */
const REMEMBERED_MAX = 10_000;
const REMEMBERED_BYTES_MAX = 128 * 1024 * 1024;

export class Blobs {
  readonly #wire: BlobWire;
  readonly #server: StreamServer<Message<'BlobGet'>>;
  /** What can be given, by hash; what was wanted last stands last. */
  readonly #sources = new Map<string, StreamSource>();
  #heldBytes = 0;
  /** Offered, and not known to be with the Queen. */
  readonly #offers = new Map<string, Offer>();
  /** When the Queen of this session said that she has it. */
  readonly #hereSince = new Map<string, number>();
  #closedWith: Error | null = null;

  constructor(wire: BlobWire) {
    this.#wire = wire;
    this.#server = new StreamServer(wire, ({ hash }) => this.#sources.get(hash));
  }

  /**
   * Sees to it that the Queen has these bytes, or this file; resolves with the hash that a job names in `blobs`. She is sent
   * nothing but the hash if she has them. A file must stay as it is until that.
   * Rejects with UsageError: 'noFile', 'badBlob' (it has changed meanwhile), 'storeLow', 'closed', …
   */
  async ensure(what: Uint8Array | string): Promise<string> {
    const source = typeof what === 'string' ? fileStream(what) : bytesStream(what);
    const hash = typeof what === 'string' ? await hashOfFile(what) : sha256(what);
    if (this.#isHere(hash)) this.#remember(hash, source);
    else await this.#offer(hash, source);
    return hash;
  }

  /** Offers again what a job needs, as far as this client has it. Rejects like `ensure`. */
  async renew(hashes: readonly string[]): Promise<void> {
    await Promise.all(
      hashes.map((hash) => {
        const source = this.#isHere(hash) ? undefined : this.#sources.get(hash);
        return source === undefined ? undefined : this.#offer(hash, source);
      }),
    );
  }

  /** Whether something of this should be offered (again) before a job that needs it is submitted. */
  mustRenew(hashes: readonly string[]): boolean {
    return hashes.some((hash) => this.#sources.has(hash) && !this.#isHere(hash));
  }

  /** Whether nobody waits for the Queen to have something. */
  get isIdle(): boolean {
    return this.#offers.size === 0;
  }

  // What the router says.

  opened(): void {
    this.#hereSince.clear();
    for (const offer of this.#offers.values()) this.#send(offer);
  }
  lost(): void {
    this.#server.reset();
  }
  drained(): void {
    this.#server.pump();
  }
  asked(message: Message<'BlobGet'>): void {
    this.#server.get(message);
  }
  /** The Queen has it. */
  has({ hash }: Message<'BlobHave'>): void {
    const offer = this.#offers.get(hash);
    this.#offers.delete(hash);
    this.#hereSince.set(hash, performance.now());
    offer?.source.close?.();
    offer?.here.resolve();
  }
  refused(hash: string, { code, message }: Message<'Refused'>): void {
    const offer = this.#offers.get(hash);
    this.#offers.delete(hash);
    this.#forget(hash);
    offer?.here.reject(new UsageError(message, code));
  }
  fail(error: Error): void {
    this.#closedWith = error;
    for (const { here } of this.#offers.values()) here.reject(error);
    this.#offers.clear();
    for (const hash of [...this.#sources.keys()]) this.#forget(hash);
  }

  #offer(hash: string, source: StreamSource): Promise<void> {
    if (this.#closedWith !== null) return Promise.reject(this.#closedWith);
    const known = this.#offers.get(hash);
    if (known !== undefined) return known.here.promise;
    this.#remember(hash, source);
    const offer = { hash, source, here: new Deferred<void>() };
    this.#wire.mayWait();
    this.#offers.set(hash, offer);
    this.#send(offer);
    return offer.here.promise;
  }

  #isHere(hash: string): boolean {
    return performance.now() - (this.#hereSince.get(hash) ?? Number.NEGATIVE_INFINITY) < FRESH_MILLIS;
  }

  #send({ hash, source: { bytes } }: Offer): void {
    this.#wire.send({ type: 'BlobHave', hash, bytes });
  }

  #remember(hash: string, source: StreamSource): void {
    const since = this.#hereSince.get(hash);
    this.#forget(hash);
    if (since !== undefined) this.#hereSince.set(hash, since);
    this.#sources.set(hash, source);
    this.#heldBytes += source.heldBytes ?? 0;
    for (const oldest of this.#sources.keys()) {
      const isWithin = this.#sources.size <= REMEMBERED_MAX && this.#heldBytes <= REMEMBERED_BYTES_MAX;
      if (isWithin || oldest === hash) return;
      if (!this.#offers.has(oldest)) this.#forget(oldest);
    }
  }

  #forget(hash: string): void {
    const source = this.#sources.get(hash);
    if (source === undefined) return;
    this.#sources.delete(hash);
    this.#hereSince.delete(hash);
    this.#heldBytes -= source.heldBytes ?? 0;
    source.close?.();
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function hashOfFile(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Uint8Array);
  return digest.digest('hex');
}
