/**
 * Where blobs meet the runtime: it sees what clients offer and give before the scheduler does, refuses a Submit that names
 * a blob which is not here, serves those whose reading the scheduler has allowed, and removes what no job needs any more.
 *
 * Which job needs which blob stands in the jobs' own specs, which are durable; there is no second list that could differ.
 */
import { LIMITS, type Message, type SessionNumber, StreamServer } from '@hive/shared';
import type { Connection } from '@hive/shared/node';
import debug from 'debug';
import type { BlobRequest, Scheduler } from '../scheduler/index.ts';
import { Reception } from './reception.ts';
import type { BlobShelf, Shelved } from './shelf.ts';

const log = debug('hive:queen:blobs');
/** How often it looks for blobs that no job needs. */
const TIDY_MILLIS = 60_000;

export interface BlobDoors {
  readonly shelf: BlobShelf;
  readonly scheduler: Scheduler;
  connectionOf(session: SessionNumber): Connection | undefined;
  now(): number;
  /** Whether everything that was decided is durable. */
  isSettled(): boolean;
}

export class BlobDesk {
  readonly #doors: BlobDoors;
  readonly #shelf: BlobShelf;
  readonly #reception: Reception;
  readonly #servers = new Map<SessionNumber, StreamServer<Message<'BlobGet'>>>();
  readonly #timer: NodeJS.Timeout;

  constructor(doors: BlobDoors) {
    this.#doors = doors;
    this.#shelf = doors.shelf;
    this.#reception = new Reception(doors.shelf, {
      send: (session, message) => doors.connectionOf(session)?.send(message),
      isDiskLow: () => doors.scheduler.state.isStoreLow,
      now: doors.now,
    });
    this.#timer = setInterval(() => void this.tidy(), TIDY_MILLIS);
    this.#timer.unref();
  }

  /** True when the message is dealt with. */
  receive(session: SessionNumber, message: Message): boolean {
    switch (message.type) {
      case 'BlobHave':
        this.#reception.offered(session, message);
        return true;
      case 'BlobChunk':
        this.#reception.arrived(session, message);
        return true;
      case 'Submit':
        return message.spec.blobs !== undefined && this.#lacks(session, message);
      default:
        return false;
    }
  }

  /** Somebody who may see it reads a blob. */
  serve({ session, get }: BlobRequest): void {
    const connection = this.#doors.connectionOf(session);
    if (connection === undefined) return;
    let server = this.#servers.get(session);
    if (server === undefined) {
      server = new StreamServer<Message<'BlobGet'>>(connection, ({ hash }) => this.#shelf.source(hash));
      this.#servers.set(session, server);
    }
    this.#shelf.use(get.hash, this.#doors.now());
    server.get(get);
  }

  closed(session: SessionNumber): void {
    this.#reception.closed(session);
    this.#servers.get(session)?.reset();
    this.#servers.delete(session);
  }

  /** The session's send buffer has room. */
  drained(session: SessionNumber): void {
    this.#servers.get(session)?.pump();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Removes blobs that no job needs: after a day without use, the oldest before that when they have too many bytes
   * together, and all of them when the disk is nearly full; never one that was just offered.
   */
  async tidy(): Promise<void> {
    // A job whose removal is not durable may come back.
    if (this.#shelf.isEmpty || !this.#doors.isSettled()) return;
    const now = this.#doors.now();
    const spare = this.#spare().sort((a, b) => a.usedAt - b.usedAt);
    let bytes = spare.reduce((sum, blob) => sum + blob.bytes, 0);
    for (const blob of spare) {
      const age = now - blob.usedAt;
      const isTooMuch = bytes > LIMITS.blobKeptBytesMax || this.#doors.scheduler.state.isStoreLow;
      if (age < LIMITS.blobKeptMillisMin || (age < LIMITS.blobKeptMillis && !isTooMuch)) return;
      log('blob %s is not needed any more', blob.hash);
      bytes -= blob.bytes;
      await this.#shelf.remove(blob.hash);
    }
  }

  #spare(): Shelved[] {
    const needed = new Set<string>();
    for (const { spec } of this.#doors.scheduler.state.jobs.values())
      for (const hash of spec.blobs ?? []) needed.add(hash);
    return [...this.#shelf.all()].filter(({ hash }) => !needed.has(hash));
  }

  /** A job is not accepted before all that it needs is here. One that was accepted before is asked about as ever. */
  #lacks(session: SessionNumber, { job, spec }: Message<'Submit'>): boolean {
    if (this.#doors.scheduler.state.jobs.has(job)) return false;
    const now = this.#doors.now();
    const absent = spec.blobs?.find((hash) => this.#shelf.use(hash, now) === undefined);
    if (absent === undefined) return false;
    const message = `This Queen does not have the blob ${absent}. Offer it with BlobHave first.`;
    this.#doors.connectionOf(session)?.send({ type: 'Refused', job, code: 'unknownBlob', message });
    return true;
  }
}
