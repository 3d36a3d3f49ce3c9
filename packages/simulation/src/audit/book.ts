/** What the auditor knows of one job: kept from the store's records and from TaskAssign alone, never from the state. */
import type { Counts, JobState, Millis } from '@hive/shared';
import type { JobPlan } from '../plan.ts';

export type Recorded = 'succeeded' | 'failed' | 'cancelled';

/** How a round of a job ended, as its clients are told. */
export interface End {
  readonly state: JobState;
  readonly counts: Pick<Counts, 'appended' | Recorded>;
}

export interface JobBook {
  readonly plan: JobPlan;
  /** How often it was submitted: again only after it had been removed. */
  lives: number;
  submittedAt: Millis;
  appended: number;
  /** By first index: what was appended together, and when; what was lost in a crash is overwritten. */
  readonly appends: Map<number, { readonly end: number; readonly at: Millis }>;
  isSealed: boolean;
  state: JobState | null;
  endedAt: Millis;
  /** Oldest first; a job that was retried, or submitted again, has several. */
  readonly ends: End[];
  /** When its last round began; null for the first one. */
  reopenedAt: Millis | null;
  isRemoved: boolean;
  readonly outcomes: Map<number, Recorded>;
  readonly counts: Record<Recorded, number>;
  /** Of a graph job: the results of its tasks, and every input that a task was given. */
  readonly values: Map<number, Uint8Array>;
  readonly inputs: Map<number, Uint8Array[]>;
  /** Of a reduced job, by number: the tasks of the reduced pages that there are. */
  readonly pages: Map<number, readonly [first: number, end: number]>;
  /** The task that has ended its job with its value. */
  finished: { readonly index: number; readonly seq: number } | null;
  /** Folds that went wrong. */
  foldFailures: number;
  /** What is known of tasks that failed and may be tried again. */
  readonly failed: Map<number, { failures: number; crashes: number; retryAt: Millis }>;
  isCancelAsked: boolean;
  readonly cancelAsked: Set<number>;
  isClientKilled: boolean;
  /** Nobody will submit it. */
  isGivenUp: boolean;
  /** What its client was told to be durable: this many inputs, and how it ended; null before Accepted. */
  acknowledged: { count: number; isSealed: boolean; state: JobState | null } | null;
}

export function newBook(plan: JobPlan): JobBook {
  return {
    plan,
    lives: 0,
    submittedAt: 0,
    appended: 0,
    appends: new Map(),
    isSealed: false,
    state: null,
    endedAt: 0,
    ends: [],
    reopenedAt: null,
    isRemoved: false,
    outcomes: new Map(),
    counts: { succeeded: 0, failed: 0, cancelled: 0 },
    values: new Map(),
    inputs: new Map(),
    pages: new Map(),
    finished: null,
    foldFailures: 0,
    failed: new Map(),
    isCancelAsked: false,
    cancelAsked: new Set(),
    isClientKilled: false,
    isGivenUp: false,
    acknowledged: null,
  };
}

/** Takes out of a book what a store's records say. */
export function forget(book: JobBook): void {
  book.lives = 0;
  book.ends.length = 0;
  forgetLife(book);
}
/** It was removed, and is submitted as if it had never been there. */
export function forgetLife(book: JobBook): void {
  book.appended = 0;
  book.isSealed = false;
  book.state = null;
  book.reopenedAt = null;
  book.isRemoved = false;
  book.outcomes.clear();
  book.values.clear();
  book.failed.clear();
  book.pages.clear();
  book.finished = null;
  for (const outcome of ['succeeded', 'failed', 'cancelled'] as const) book.counts[outcome] = 0;
}

/** Whether it was submitted and has not ended. */
export function isOpen({ lives, state }: JobBook): boolean {
  return lives > 0 && state === null;
}
/** From when on its time limits count. */
export function startOf({ submittedAt, reopenedAt }: JobBook): Millis {
  return reopenedAt ?? submittedAt;
}
