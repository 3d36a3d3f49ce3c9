/**
 * The file to which a simulated store commits, frame by frame as SQLite's write-ahead log: the last frame of a transaction
 * says that it is whole. A crash may tear the transaction that was being written anywhere; whoever opens the file takes
 * the frames up to the last one that ends a transaction, and drops the rest.
 */
import type { StoreRecord } from '@hive/queen';
import type { Random } from './random.ts';

interface Frame {
  readonly record: StoreRecord;
  /** It is the last one of its transaction. */
  isCommit: boolean;
}

export class WriteAheadLog {
  #frames: Frame[] = [];
  /** Frames that are on the disk for certain. */
  #synced = 0;

  /** Records that are durable for certain. */
  get durable(): number {
    return this.#synced;
  }

  /** Writes a transaction behind what is durable; one that was not synced is overwritten. Nothing of it is durable yet. */
  write(records: readonly StoreRecord[]): void {
    this.#frames.length = this.#synced;
    for (const record of records) this.#frames.push({ record, isCommit: false });
    const last = this.#frames.at(-1);
    if (last !== undefined) last.isCommit = true;
  }
  /** The disk has all that was written. */
  sync(): void {
    this.#synced = this.#frames.length;
  }

  /** The power is gone: of what was not synced only so many frames have reached the disk, perhaps all of them. */
  tear(random: Random): void {
    this.#frames.length = random.int(this.#synced, this.#frames.length);
  }

  /** What the next process finds, which is on the disk then. */
  recover(): readonly StoreRecord[] {
    while (this.#frames.length > 0 && !this.#frames.at(-1)!.isCommit) this.#frames.pop();
    this.sync();
    return this.#frames.map(({ record }) => record);
  }
}
