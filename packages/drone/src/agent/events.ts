/**
 * What goes into the agent and what comes out of it. Events are in the past tense: something happened on a session or in
 * a slot. Effects are orders to the runtime, carried out in the order in which they stand.
 *
 * A slot is told apart by its number, one lease's stay in it by its `run`: whatever a slot says of another run than the
 * agent's is late and is dropped, never asserted on.
 */
import type {
  Failure,
  JobId,
  LeaseNumber,
  Message,
  QueenId,
  SessionNumber,
  Spec,
  Streamed,
} from '@hive/shared';

/** Number of a slot in this Drone, counted from 0. */
export type SlotNumber = number;
/** Number of one stay of a lease in a slot, counted from 1; unique in an agent. */
export type RunNumber = number;
/** Number of one of the runtime's lasting connections: it dials again under the same number. */
export type LinkNumber = number;

/** Name of the file in which an output over 1 MiB is; unique in a Drone's process. */
export type OutputFile = string;
/** The file of a task's output. The slot's thread, its main-thread side and the agent all make up the same name. */
export const outputFile = (slot: SlotNumber, run: RunNumber, position: number): OutputFile =>
  `${slot}-${run}-${position}`;
/** An output over 1 MiB, by the task's position in the lease; see `Streamed`. */
export interface SlotStream {
  readonly position: number;
  readonly bytes: number;
  readonly encoded: boolean;
}

/** A task that did not succeed, by its position in the lease. */
export interface SlotFailure extends Omit<Failure, 'index'> {
  readonly position: number;
}

/** One value for `count` tasks from `position` on, which have all succeeded and are adjacent. */
export interface SlotFold {
  readonly position: number;
  readonly count: number;
  readonly data: Uint8Array;
}

/** The next finished tasks of a run: positions [at, at + count). */
export interface SlotReport {
  readonly slot: SlotNumber;
  readonly run: RunNumber;
  readonly at: number;
  readonly count: number;
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array;
  /** Ascending by position; their sizes in the page are 0, unless their output is kept: then it is there, or a stream. */
  readonly failures: readonly SlotFailure[];
  /** Ascending by position; their sizes in the page are 0. Absent: none. */
  readonly streams?: readonly SlotStream[];
  /** Of a reduced job: the values of all that did not fail, ascending; `data` is empty then. */
  readonly folds?: readonly SlotFold[];
  /** Position of the first task that ends the whole job with its value. */
  readonly finish?: number;
  readonly busyMicros: number;
  /** The slot runs nothing of this lease any more. */
  readonly ended: boolean;
}

/** The task that a slot runs at this moment. */
export interface RunningTask {
  readonly position: number;
  readonly runningMillis: number;
  /** For so long a user's function has folded what it gave; absent: it does not. */
  readonly foldingMillis?: number;
}

export type AgentEvent =
  /** A slot's thread is up; the first thing that a slot says, and again after `slotDied`. */
  | { readonly type: 'slotReady'; readonly slot: SlotNumber }
  | ({ readonly type: 'slotReported' } & SlotReport)
  /** Answer to `sampleSlot`, after what the sample found finished. */
  | {
      readonly type: 'slotProgressed';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly task: RunningTask | null;
    }
  /** Answer to `retractLease`: nothing from `end` on was or will be started. */
  | {
      readonly type: 'slotRetracted';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly end: number;
      readonly task: RunningTask | null;
    }
  /** A running task reads its stream. */
  | {
      readonly type: 'slotPulled';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly position: number;
      readonly offset: number;
      readonly length: number;
    }
  /** A task that is watched has printed something. */
  | {
      readonly type: 'slotPrinted';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly position: number;
      readonly stream: 'stdout' | 'stderr' | 'events';
      /** Bytes of this stream before. */
      readonly offset: number;
      readonly data: Uint8Array;
    }
  /** A task that has submitted work waits for that (it runs nothing until `goOn`), or would run on. */
  | {
      readonly type: 'slotWaits';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly waits: boolean;
    }
  /** The thread is gone; what it had finished was reported before. `position` is the task that it ran, if it ran one. */
  | {
      readonly type: 'slotDied';
      readonly slot: SlotNumber;
      readonly run: RunNumber | null;
      readonly position: number | null;
      readonly message: string;
      /** What it died of, where that is known. */
      readonly code?: string;
    }
  | {
      readonly type: 'sessionOpened';
      readonly session: SessionNumber;
      readonly link: LinkNumber;
      readonly welcome: Message<'Welcome'>;
    }
  /** Bytes arrived that are no whole message yet, so a long frame is not taken for silence. */
  | { readonly type: 'sessionHeard'; readonly session: SessionNumber }
  | { readonly type: 'sessionClosed'; readonly session: SessionNumber }
  /** The runtime will not dial this one again. */
  | { readonly type: 'linkRemoved'; readonly link: LinkNumber }
  | { readonly type: 'messageReceived'; readonly session: SessionNumber; readonly message: Message }
  /** Finish what runs, take nothing more; `drained` says when. */
  | { readonly type: 'drainRequested' }
  | { readonly type: 'tick' };

/** With which a task opens a session of its own. */
export interface OrderPass {
  readonly lease: LeaseNumber;
  readonly token: Uint8Array;
}

/** What a slot needs to run a lease. */
export interface LeaseOrder {
  readonly slot: SlotNumber;
  readonly run: RunNumber;
  /** Whose lease it is. */
  readonly queen: QueenId;
  readonly job: JobId;
  readonly spec: Spec;
  /** first, count, first, count, … */
  readonly ranges: readonly number[];
  /** Number of tasks to run: positions [0, end). */
  readonly end: number;
  readonly sizes: number | Uint8Array;
  readonly data: Uint8Array;
  readonly streams: readonly Streamed[];
  /** Tasks of it that were tried before: index, number of this attempt, … */
  readonly attempts?: readonly number[];
  /** With which its task may submit work. */
  readonly pass?: OrderPass;
  /** Its one task is to fold the values that are its input. */
  readonly isFold: boolean;
  /** Somebody wants to see what its tasks print; `watchSlot` may change that. */
  readonly isWatched: boolean;
}

export type SlotEffect =
  | ({ readonly type: 'startLease' } & LeaseOrder)
  /** Start nothing from position `end` on. Answer: `slotRetracted`, at once. */
  | {
      readonly type: 'retractLease';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly end: number;
    }
  /** Report what has finished (`slotReported`, if anything), then `slotProgressed`. */
  | { readonly type: 'sampleSlot'; readonly slot: SlotNumber; readonly run: RunNumber }
  /** Tell what its tasks print, from the beginning of the one that runs (`slotPrinted`), with every sample; or no more. */
  | { readonly type: 'watchSlot'; readonly slot: SlotNumber; readonly run: RunNumber; readonly on: boolean }
  /** Start no task until `resumeSlot`. What runs goes on. */
  | { readonly type: 'pauseSlot'; readonly slot: SlotNumber; readonly run: RunNumber }
  | { readonly type: 'resumeSlot'; readonly slot: SlotNumber; readonly run: RunNumber }
  /** Abort this task, now or when it is about to start; null: whatever runs. It ends with the outcome `cancelled`. */
  | {
      readonly type: 'abortTask';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly position: number | null;
      readonly reason: string;
    }
  /** The task that waited may run on; with a problem, it may not wait at all. */
  | {
      readonly type: 'goOn';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly problem: string | null;
    }
  /** A part of the stream that a task reads. */
  | {
      readonly type: 'deliverChunk';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly position: number;
      readonly offset: number;
      readonly data: Uint8Array;
      readonly last: boolean;
      readonly error: string | null;
    }
  /**
   * End the thread and start another. Answer: what was finished (`slotReported`), `slotDied`, later `slotReady`. Where a
   * process runs the task, that is ended instead, and the task fails with this outcome and text; the thread goes on.
   */
  | {
      readonly type: 'killSlot';
      readonly slot: SlotNumber;
      readonly run: RunNumber;
      readonly outcome: 'timedOut' | 'cancelled';
      readonly message: string;
    };

export type AgentEffect =
  | { readonly type: 'send'; readonly session: SessionNumber; readonly message: Message }
  | {
      readonly type: 'close';
      readonly session: SessionNumber;
      readonly code: 'protocolError' | 'silent' | 'replaced' | 'stopping';
      readonly message: string;
    }
  | SlotEffect
  /** One more slot is needed, with this number, beside those whose tasks wait. It says `slotReady`, as they all do. */
  | { readonly type: 'openSlot'; readonly slot: SlotNumber }
  /** A piece of an output is wanted. Answer: StreamChunk, in that session. */
  | {
      readonly type: 'serveOutput';
      readonly session: SessionNumber;
      readonly get: Message<'StreamGet'>;
      readonly file: OutputFile;
      readonly bytes: number;
    }
  /** Nobody wants these any more. */
  | { readonly type: 'dropOutputs'; readonly files: readonly OutputFile[] }
  /** Something for the log. */
  | { readonly type: 'report'; readonly event: AgentReport }
  /** After `drainRequested`: nothing runs, and nothing that can be acknowledged waits for it. */
  | { readonly type: 'drained' };
export type AgentEffects = readonly AgentEffect[];

/** Counts since the agent's birth. */
export interface DroneCounters {
  readonly leases: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Time that slots worked, in microseconds, summed over slots. */
  readonly busyMicros: number;
  /** Bytes of results that no Queen has acknowledged yet. */
  readonly unackedBytes: number;
}

/** Things worth a line in a log. Those about work come at most about twenty times a second; the counters are complete. */
export type AgentReport =
  | {
      readonly type: 'workReceived';
      readonly queen: QueenId;
      readonly job: JobId;
      readonly kind: string;
      readonly lease: LeaseNumber;
      /** Index of the first task. */
      readonly index: number;
      readonly tasks: number;
      readonly single: boolean;
      /** The input, for people; only of single tasks. `value` is all of it, if the Drone was told to show values. */
      readonly display?: string;
      readonly value?: string;
    }
  | {
      readonly type: 'workDone';
      readonly queen: QueenId;
      readonly job: JobId;
      readonly kind: string;
      readonly lease: LeaseNumber;
      readonly index: number;
      /** Tasks of the lease that were finished here. */
      readonly tasks: number;
      readonly single: boolean;
      readonly outcome: Failure['outcome'];
      readonly millis: number;
      /** Input and output, for people; only of single tasks. `value` is all of the output, as above. */
      readonly display?: string;
      readonly value?: string;
    }
  | { readonly type: 'slotReplaced'; readonly slot: SlotNumber; readonly reason: string }
  | { readonly type: 'leasesDropped'; readonly queen: QueenId; readonly leases: number }
  | { readonly type: 'summary'; readonly counters: DroneCounters };
