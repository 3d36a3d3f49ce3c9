/**
 * Gets blobs for slots: out of the cache, or from the Queen whose lease the slot runs. One pull at a time per blob, whoever
 * else wants it waits for that. A lost session loses nothing: what was asked for is asked again in the next one with the
 * same Queen. What cannot be had, or has another SHA-256, is a failure of the tasks that want it.
 */
import { createHash } from 'node:crypto';
import { BlobReader, LIMITS, type Message, type QueenId } from '@hive/shared';
import debug from 'debug';
import type { SlotNumber } from '../agent/events.ts';
import { TaskFailure } from '../kinds/failure.ts';
import type { BlobCache, IncomingBlob } from './cache.ts';

const log = debug('hive:drone:blobs');

/** Says something to a Queen; dropped when there is no session with her. */
export type Ask = (queen: QueenId, get: Message<'BlobGet'>) => void;
/** The file of a blob, or why there is none. Called once, at once or later. */
export type Got = (result: { readonly path: string } | { readonly failure: TaskFailure }) => void;

interface Want {
  readonly slot: SlotNumber;
  readonly queen: QueenId;
  readonly got: Got;
}
interface Pull {
  readonly wants: Want[];
  /** Whom it is asked of. */
  queen: QueenId;
  reader: BlobReader;
}

export class BlobPuller {
  readonly #cache: BlobCache;
  readonly #ask: Ask;
  readonly #pulls = new Map<string, Pull>();
  #isClosed = false;

  constructor(cache: BlobCache, ask: Ask) {
    this.#cache = cache;
    this.#ask = ask;
  }

  /** A slot needs a blob for the lease that it runs. */
  want(slot: SlotNumber, queen: QueenId, hash: string, got: Got): void {
    const path = this.#cache.use(hash, slot);
    const want = { slot, queen, got };
    const pull = this.#pulls.get(hash);
    if (path !== undefined) got({ path });
    else if (pull !== undefined) pull.wants.push(want);
    else {
      const own: Pull = { wants: [want], queen, reader: this.#readerOf(hash, queen) };
      this.#pulls.set(hash, own);
      void this.#run(hash, own);
    }
  }

  /** The slot's lease has ended: it may be run again elsewhere, and here something else comes. */
  released(slot: SlotNumber): void {
    for (const { wants, queen, reader } of this.#pulls.values()) {
      const at = wants.findIndex((want) => want.slot === slot);
      if (at >= 0) wants.splice(at, 1);
      if (!wants.some((want) => want.queen === queen)) reader.fail(new Error('nobody waits for it any more'));
    }
    this.#cache.release(slot);
  }

  arrived(queen: QueenId, chunk: Message<'BlobChunk'>): void {
    const pull = this.#pulls.get(chunk.hash);
    if (pull?.queen === queen) pull.reader.arrived(chunk);
  }

  /** There is a session with this Queen (again). */
  opened(queen: QueenId): void {
    for (const pull of this.#pulls.values()) if (pull.queen === queen) pull.reader.askAgain();
  }

  close(): void {
    this.#isClosed = true;
    for (const { reader } of this.#pulls.values()) reader.fail(new Error('the Drone stops'));
  }

  #readerOf(hash: string, queen: QueenId): BlobReader {
    return new BlobReader(
      (piece) => this.#ask(queen, { type: 'BlobGet', hash, ...piece }),
      (text) => new TaskFailure('unknownBlob', `The blob ${hash} cannot be had: ${text}.`, true),
    );
  }

  /** Asks one Queen after the other whose leases need it, until one gives it or nobody waits any more. */
  async #run(hash: string, pull: Pull): Promise<void> {
    for (;;) {
      try {
        await this.#take(hash, pull);
        break;
      } catch (error) {
        log('blob %s was not taken in: %s', hash, (error as Error).message);
        const failure = failureOf(error, hash);
        const { queen } = pull;
        for (const want of pull.wants.filter((each) => each.queen === queen)) {
          pull.wants.splice(pull.wants.indexOf(want), 1);
          want.got({ failure });
        }
        const next = pull.wants[0];
        if (next === undefined || this.#isClosed) break;
        pull.queen = next.queen;
        pull.reader = this.#readerOf(hash, next.queen);
      }
    }
    this.#pulls.delete(hash);
    for (const { slot, got } of pull.wants) {
      const path = this.#cache.use(hash, slot);
      if (path !== undefined) got({ path });
    }
  }

  async #take(hash: string, { reader, wants }: Pull): Promise<void> {
    const incoming = await this.#cache.create();
    try {
      await receive(incoming, reader, hash);
      if (this.#isClosed) throw new Error('the Drone stops');
      await this.#cache.adopt(
        incoming,
        hash,
        wants.map(({ slot }) => slot),
      );
    } catch (error) {
      await this.#cache.abandon(incoming);
      throw error;
    }
  }
}

/** @throws TaskFailure, or an error of the disk */
async function receive({ file }: IncomingBlob, reader: BlobReader, hash: string): Promise<void> {
  const digest = createHash('sha256');
  let offset = 0;
  for await (const chunk of reader.chunks()) {
    digest.update(chunk);
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, offset + done);
      done += bytesWritten;
    }
    offset += chunk.length;
  }
  if (digest.digest('hex') === hash) return;
  throw new TaskFailure('badBlob', `What came as blob ${hash} has another SHA-256.`, true);
}

function failureOf(error: unknown, hash: string): TaskFailure {
  if (error instanceof TaskFailure) return error;
  const { message, code } = error as NodeJS.ErrnoException;
  const text = `The blob ${hash} cannot be kept on this Drone: ${message}`;
  return new TaskFailure(code === 'ENOSPC' ? 'diskFull' : 'blobFailed', text.slice(0, LIMITS.textMax), true);
}
