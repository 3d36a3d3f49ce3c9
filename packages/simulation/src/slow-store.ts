/**
 * The memory store behind a disk that takes its time and sometimes fails: commits end later, or with an error, and nothing
 * is durable before they do. It counts records, so that the auditor knows what was durable when a message left.
 */
import { MemoryStore, type Store, type StoreRecord } from '@hive/queen';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How the disk is now; the faults change it. */
export interface Disk {
  /** Milliseconds that a commit takes, from and to. 0 and 0: it is done on return. */
  commitMillis: readonly [low: number, high: number];
  /** Probability that a commit fails. */
  failShare: number;
}

export class SlowStore extends MemoryStore {
  readonly disk: Disk;
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** Records that it was given, and how many of them are durable. */
  kept = 0;
  durable = 0;

  constructor(time: VirtualTime, random: Random, disk: Disk) {
    super();
    this.#time = time;
    this.#random = random;
    this.disk = disk;
  }

  override keep(records: readonly StoreRecord[]): void {
    this.kept += records.length;
    super.keep(records);
  }

  /** Like any store's; a memory store itself is always done on return. */
  override commit(): ReturnType<Store['commit']> & null {
    return this.#commit() as null;
  }
  #commit(): Promise<void> | null {
    const covered = this.kept;
    const fails = this.#random.chance(this.disk.failShare);
    const [low, high] = this.disk.commitMillis;
    if (fails && this.#random.chance(0.3)) throw new Error('the disk failed at once');
    const millis = this.#random.between(low, high);
    if (millis === 0 && !fails) {
      this.durable = covered;
      return null;
    }
    return soon((done, failed) => {
      this.#time.after(millis, () => {
        if (fails) {
          failed(new Error('the disk failed'));
          return;
        }
        this.durable = covered;
        done();
      });
    });
  }
}

/** A promise that is settled in virtual time: a real one would settle between two virtual events, in the host's order. */
function soon(start: (done: () => void, failed: (error: Error) => void) => void): Promise<void> {
  const promise = {
    // biome-ignore lint/suspicious/noThenProperty: it is meant to stand in for a promise
    then(done: () => void, failed: (error: Error) => void) {
      start(done, failed);
    },
  };
  return promise as unknown as Promise<void>;
}
