/**
 * What keeps a Queen's durable facts and the bytes of its pages. The scheduler decides, the store remembers; one
 * conformance suite (testing/store-conformance.ts) holds for every implementation.
 */
import type { Failure, JobId, Page, Streamed } from '@hive/shared';
import type { InputRef, StoreRecord } from '../scheduler/index.ts';

/** A recorded page of results, as the Drone reported it. */
export interface ResultPage {
  readonly page: Page;
  readonly failures: readonly Failure[];
  readonly streams: readonly Streamed[];
  /** Name of the Drone that reported it, or null; and when, in milliseconds since 1970. */
  readonly drone: string | null;
  readonly at: number;
  /** Slot time of one of its tasks, averaged over what was reported together, in milliseconds; null if not known. */
  readonly millis: number | null;
}

/** A failed attempt of a task. */
export interface Attempt {
  readonly outcome: string;
  readonly code: string | null;
  readonly message: string;
  readonly drone: string;
  /** How long it took, averaged over what was reported together, in milliseconds; null if not known. */
  readonly millis: number | null;
  /** In milliseconds since 1970. */
  readonly at: number;
}

export interface Store {
  readonly name: 'memory' | 'sqlite';
  /** Whether what it keeps survives the process. */
  readonly isDurable: boolean;
  /** All records whose replay gives the last committed state, in order. Called once, before anything else. */
  recover(): Iterable<StoreRecord>;
  /** Takes records; their pages can be read at once. They are not durable yet. */
  keep(records: readonly StoreRecord[]): void;
  /**
   * Makes everything kept so far durable. Null when it is so on return, else a promise that resolves when it is.
   * Rejected: nothing was lost, and a later commit covers it too.
   */
  commit(): Promise<void> | null;
  /** Inputs of tasks of one job, put end to end. */
  readInputs(ref: InputRef): Pick<Page, 'sizes' | 'data'>;
  /** A recorded page; undefined once it was dropped for good (until that is durable it may still be there). */
  readResults(job: JobId, seq: number): ResultPage | undefined;
  /** Failed attempts of a task, oldest first. */
  readAttempts(job: JobId, index: number): readonly Attempt[];
  /** Bytes of pages that it holds in memory. */
  readonly heldBytes: number;
  /** Bytes that are free where it keeps things; not there if that cannot run out before memory does. */
  freeBytes?(): Promise<number>;
  close(): Promise<void>;
}
