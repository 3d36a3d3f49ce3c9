/**
 * Takes blobs in: a client offers one, it is pulled from that client unless it is here already, and whoever has offered it
 * hears when it is here for good. One pull at a time per blob, whoever else offers it waits for that.
 *
 * An offer ends in one of three ways: `BlobHave` (it is here, durably), `Refused` (what came is wrong, or there is no room
 * for it), or the end of its session. When the pull of one client fails, the next one that has offered the same is asked.
 */
import { createHash } from 'node:crypto';
import { LIMITS, type Message, type RefusalCode, type SessionNumber, StreamReader } from '@hive/shared';
import debug from 'debug';
import type { BlobShelf } from './shelf.ts';

const log = debug('hive:queen:blobs');

export interface ReceptionDoors {
  send(session: SessionNumber, message: Message<'BlobHave' | 'BlobGet' | 'Refused'>): void;
  /** Whether there is so little room that what is left must be kept for the store. */
  isDiskLow(): boolean;
  now(): number;
}
interface Offer {
  readonly session: SessionNumber;
  readonly bytes: number;
}
/** A blob that somebody has offered and that is not here: the first offer is the one that is taken up. */
interface Arrival {
  readonly hash: string;
  readonly offers: Offer[];
  reader: StreamReader | null;
}

export class Reception {
  readonly #shelf: BlobShelf;
  readonly #doors: ReceptionDoors;
  readonly #arrivals = new Map<string, Arrival>();
  /** Offers of each session that are not settled. */
  readonly #open = new Map<SessionNumber, number>();
  #running = 0;
  readonly #waiting: Arrival[] = [];

  constructor(shelf: BlobShelf, doors: ReceptionDoors) {
    this.#shelf = shelf;
    this.#doors = doors;
  }

  offered(session: SessionNumber, { hash, bytes }: Message<'BlobHave'>): void {
    const known = this.#shelf.use(hash, this.#doors.now());
    if (known !== undefined) {
      this.#doors.send(session, { type: 'BlobHave', hash, bytes: known.bytes });
      return;
    }
    if ((this.#open.get(session) ?? 0) >= LIMITS.blobOffersMax) {
      this.#refuse(
        session,
        hash,
        'tooLarge',
        `A client offers at most ${LIMITS.blobOffersMax} blobs at once.`,
      );
      return;
    }
    const arrival = this.#arrivals.get(hash);
    if (arrival?.offers.some((offer) => offer.session === session)) return;
    this.#open.set(session, (this.#open.get(session) ?? 0) + 1);
    if (arrival !== undefined) {
      arrival.offers.push({ session, bytes });
      return;
    }
    const own: Arrival = { hash, offers: [{ session, bytes }], reader: null };
    this.#arrivals.set(hash, own);
    this.#waiting.push(own);
    this.#startSome();
  }

  /** A piece, from whoever was asked for it; any other is dropped. */
  arrived(session: SessionNumber, chunk: Message<'BlobChunk'>): void {
    const arrival = this.#arrivals.get(chunk.hash);
    if (arrival?.offers[0]?.session === session) arrival.reader?.arrived(chunk);
  }

  closed(session: SessionNumber): void {
    if (!this.#open.delete(session)) return;
    for (const arrival of this.#arrivals.values()) {
      const at = arrival.offers.findIndex((offer) => offer.session === session);
      if (at === 0) arrival.reader?.fail(new Error('the session has ended'));
      // The one that is being taken up is removed when its pull has ended.
      if (at > 0 || (at === 0 && arrival.reader === null)) arrival.offers.splice(at, 1);
    }
  }

  #startSome(): void {
    while (this.#running < LIMITS.blobsAtOnce) {
      const arrival = this.#waiting.shift();
      if (arrival === undefined) return;
      this.#running++;
      void this.#take(arrival).finally(() => {
        this.#running--;
        this.#startSome();
      });
    }
  }

  /** Asks one after the other who has offered it. */
  async #take(arrival: Arrival): Promise<void> {
    const { hash, offers } = arrival;
    for (let offer = offers[0]; offer !== undefined; offer = offers[0]) {
      try {
        await this.#pull(arrival, offer);
        break;
      } catch (error) {
        log('blob %s was not taken in: %s', hash, (error as Error).message);
        arrival.reader = null;
        offers.shift();
        const refusal = refusalOf(error, this.#doors.isDiskLow());
        if (this.#settled(offer.session)) this.#refuse(offer.session, hash, refusal, textOf(refusal, error));
      }
    }
    this.#arrivals.delete(hash);
    for (const { session, bytes } of offers)
      if (this.#settled(session)) this.#doors.send(session, { type: 'BlobHave', hash, bytes });
  }

  /** @throws Refusal or an error of the disk or the session */
  async #pull(arrival: Arrival, { session, bytes }: Offer): Promise<void> {
    const { hash } = arrival;
    if (this.#doors.isDiskLow()) throw new Error('the disk is full');
    const reader = new StreamReader(
      bytes,
      (piece) => this.#doors.send(session, { type: 'BlobGet', hash, ...piece }),
      (text) => new WrongBlob(text),
    );
    arrival.reader = reader;
    const incoming = await this.#shelf.create();
    try {
      const digest = createHash('sha256');
      let offset = 0;
      for await (const chunk of reader.chunks()) {
        if (this.#doors.isDiskLow()) throw new Error('the disk is full');
        digest.update(chunk);
        await writeWhole(incoming.file, chunk, offset);
        offset += chunk.length;
      }
      if (digest.digest('hex') !== hash) throw new WrongBlob('its bytes have another SHA-256');
      await this.#shelf.adopt(incoming, hash, bytes, this.#doors.now());
    } catch (error) {
      await this.#shelf.abandon(incoming);
      throw error;
    }
  }

  /** An offer has been dealt with. False when its session is over. */
  #settled(session: SessionNumber): boolean {
    const open = this.#open.get(session);
    if (open === undefined) return false;
    if (open === 1) this.#open.delete(session);
    else this.#open.set(session, open - 1);
    return true;
  }

  #refuse(session: SessionNumber, blob: string, code: RefusalCode, message: string): void {
    this.#doors.send(session, { type: 'Refused', blob, code, message });
  }
}

/** The client's fault: what it gave is not what it said. */
class WrongBlob extends Error {
  override readonly name = 'WrongBlob';
}

function refusalOf(error: unknown, isDiskLow: boolean): 'badBlob' | 'storeLow' | 'damagedStore' {
  if (error instanceof WrongBlob) return 'badBlob';
  const { code } = error as NodeJS.ErrnoException;
  return isDiskLow || code === 'ENOSPC' || code === 'EDQUOT' ? 'storeLow' : 'damagedStore';
}

function textOf(code: ReturnType<typeof refusalOf>, error: unknown): string {
  const { message } = error as Error;
  if (code === 'badBlob')
    return `What was sent is not the blob that was offered: ${message}. Offer it again when it does not change any more.`;
  if (code === 'storeLow')
    return 'The Queen has too little room on its disk for the blob. Make room, then offer it again.';
  return `The Queen cannot keep the blob: ${message}.`;
}

async function writeWhole(
  file: {
    write(data: Uint8Array, at: number, length: number, to: number): Promise<{ bytesWritten: number }>;
  },
  chunk: Uint8Array,
  offset: number,
): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, offset + done);
    done += bytesWritten;
  }
}
