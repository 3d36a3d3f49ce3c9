/**
 * The memory store behind a disk that takes its time and sometimes fails: commits end later, or with an error, and nothing
 * is durable before they do. It counts records, so that the auditor knows what was durable when a message left.
 *
 * A crash in the middle of a commit is one of two: the process is killed, and what it has given to the system is written
 * to its end; or the power goes, and the transaction is torn (`write-ahead-log.ts`).
 */
import { MemoryStore, type Store, type StoreRecord } from '@hive/queen';
import type { Random } from './random.ts';
import { foldLog } from './recovered.ts';
import type { VirtualTime } from './virtual-time.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

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
  /** All records that it was given; the disk has some of them. */
  readonly log: StoreRecord[] = [];
  readonly #wal = new WriteAheadLog();
  #isPowerless = false;
  /** Called when a commit begins. */
  onCommit: (() => void) | null = null;

  /** @param log what was durable when the process before this one ended */
  constructor(time: VirtualTime, random: Random, disk: Disk, log: readonly StoreRecord[] = []) {
    super();
    this.#time = time;
    this.#random = random;
    this.disk = disk;
    this.keep(log);
    this.#wal.write(log);
    this.#wal.sync();
  }

  get kept(): number {
    return this.log.length;
  }
  /** Records that are durable. */
  get durable(): number {
    return this.#wal.durable;
  }
  get durableLog(): readonly StoreRecord[] {
    return this.#wal.recover();
  }
  override recover(): StoreRecord[] {
    return foldLog(this.durableLog);
  }

  /** Its process has ended at once, or its machine has. */
  crash(): void {
    this.#isPowerless = this.#random.chance(0.6);
    if (this.#isPowerless) this.#wal.tear(this.#random);
  }

  override keep(records: readonly StoreRecord[]): void {
    for (const record of records) this.log.push(record);
    super.keep(records);
  }

  /** Like any store's; a memory store itself is always done on return. */
  override commit(): ReturnType<Store['commit']> & null {
    return this.#commit() as null;
  }
  #commit(): Promise<void> | null {
    this.#wal.write(this.log.slice(this.durable));
    this.onCommit?.();
    const fails = this.#random.chance(this.disk.failShare);
    const [low, high] = this.disk.commitMillis;
    if (fails && this.#random.chance(0.3)) throw new Error('the disk failed at once');
    const millis = this.#random.between(low, high);
    if (millis === 0 && !fails) {
      this.#wal.sync();
      return null;
    }
    return soon((done, failed) => {
      this.#time.after(millis, () => {
        if (this.#isPowerless) return;
        if (fails) {
          failed(new Error('the disk failed'));
          return;
        }
        this.#wal.sync();
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
