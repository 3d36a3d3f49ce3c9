/**
 * Says whether there is room for more jobs: not while commits fail, and not while less than a reserve is free on the
 * disk. The reserve is what running work and results go on with, so submissions are refused before the disk is full.
 *
 * It says so only when it changes: low below the reserve, not low again until a quarter more is free.
 */
import { LIMITS } from '@hive/shared';
import { StoreError } from './store/sqlite/errors.ts';
import type { Store } from './store/store.ts';

const LOOK_MILLIS = 1_000;

export interface StoreWatchOptions {
  readonly store: Pick<Store, 'freeBytes'>;
  /** Called when it changes: why there is no room, or null. */
  readonly onChange: (problem: StoreError | null) => void;
  /** Bytes that are kept free. Default: LIMITS.storeReserveBytes. */
  readonly reserveBytes?: number;
}

export class StoreWatch {
  readonly #options: StoreWatchOptions;
  readonly #reserveBytes: number;
  readonly #timer: NodeJS.Timeout | null = null;
  #failure: StoreError | null = null;
  #isScarce = false;
  #isLooking = false;
  #isLow = false;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
    this.#reserveBytes = options.reserveBytes ?? LIMITS.storeReserveBytes;
    if (options.store.freeBytes === undefined) return;
    this.#timer = setInterval(() => void this.look(), LOOK_MILLIS);
    this.#timer.unref();
  }

  /** Why the last commit failed; null when it did not. */
  set failure(failure: StoreError | null) {
    if (failure === this.#failure) return;
    this.#failure = failure;
    this.#say();
  }

  /** Looks at the disk once. A disk that does not answer is not asked again meanwhile. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const free = (await this.#options.store.freeBytes?.()) ?? Number.POSITIVE_INFINITY;
      this.#isScarce = free < this.#reserveBytes * (this.#isScarce ? 1.25 : 1);
      this.#say();
    } catch {
      // Whoever cannot be asked has said nothing; a disk that is broken shows in the commits.
    } finally {
      this.#isLooking = false;
    }
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #say(): void {
    const problem = this.#failure ?? (this.#isScarce ? scarce(this.#reserveBytes) : null);
    if ((problem !== null) === this.#isLow) return;
    this.#isLow = problem !== null;
    this.#options.onChange(problem);
  }
}

function scarce(reserveBytes: number): StoreError {
  const mebibytes = Math.round(reserveBytes / 1024 / 1024);
  const text = `Less than ${mebibytes} MiB are free on the disk with the store: no more jobs are accepted. Make room there.`;
  return new StoreError(text, 'lowDisk');
}
