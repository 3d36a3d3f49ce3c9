/**
 * What goes into the scheduler and what comes out of it. Events are in the past tense; records are the durable facts;
 * a send says whether it may leave at once or only after everything appended before it is durable.
 */
import type {
  Failure,
  FoldFailure,
  Interval,
  JobId,
  JobState,
  KeyIdentity,
  LeaseNumber,
  Message,
  Millis,
  Page,
  PeerId,
  SessionNumber,
  Spec,
  Streamed,
} from '@hive/shared';
import type { NodePage } from './job-lists.ts';
import type { NodeEvent, NodeFacts } from './nodes.ts';

/** Everything that can happen to the scheduler. `settled` closes a turn: leases, results and progress go out then. */
export type SchedulerEvent =
  | {
      readonly type: 'peerJoined';
      readonly session: SessionNumber;
      readonly hello: Message<'Hello'>;
      readonly address: string;
      readonly sessionId: string;
      /** Whose key opened the session; absent where there are no keys. */
      readonly key?: KeyIdentity;
      /** Of the Welcome, by the Queen's own key. */
      readonly signature?: Uint8Array;
    }
  | { readonly type: 'messageReceived'; readonly session: SessionNumber; readonly message: Message }
  | { readonly type: 'sessionClosed'; readonly session: SessionNumber; readonly reason: string }
  | { readonly type: 'sessionClogged'; readonly session: SessionNumber; readonly isClogged: boolean }
  | { readonly type: 'bytesHeard'; readonly sessions: readonly SessionNumber[] }
  | { readonly type: 'storeFilled'; readonly isLow: boolean }
  /** Something in the store cannot be read any more. */
  | { readonly type: 'storeDamaged'; readonly message: string }
  /** Keys of generations before `oldest` are not valid any more. */
  | { readonly type: 'keysRetired'; readonly oldest: number }
  /** The inputs of a lease cannot be had or sent: its tasks fail. */
  | {
      readonly type: 'leaseUnsendable';
      readonly lease: LeaseNumber;
      readonly code: string;
      readonly message: string;
    }
  | NodeEvent
  /** A client has asked for the jobs of all nodes, and these are the pages of those that are there. */
  | {
      readonly type: 'jobsGathered';
      readonly session: SessionNumber;
      readonly message: Message<'Query'>;
      readonly pages: readonly NodePage[];
    }
  | { readonly type: 'timePassed' }
  | { readonly type: 'settled' };

/** A durable fact. `apply` is the only writer of what these say, in `step` and in recovery. */
export type StoreRecord =
  | {
      readonly type: 'jobSubmitted';
      readonly job: JobId;
      readonly spec: Spec;
      readonly owner: PeerId;
      readonly at: Millis;
      readonly order: number;
    }
  | {
      readonly type: 'inputsAppended';
      readonly job: JobId;
      readonly page: Page;
      readonly streams: readonly Streamed[];
      /** Of a graph job, for every task: how many parents it has, then their indices. */
      readonly parents?: readonly number[];
    }
  /**
   * Tasks from `first` on wait in the queue since `at`; kept for a queue time limit. Earlier ones of this job that began up
   * to `overdueUpTo` need not be told apart any more: all of them have waited too long.
   */
  | {
      readonly type: 'tasksQueued';
      readonly job: JobId;
      readonly first: number;
      readonly at: Millis;
      readonly overdueUpTo: Millis;
    }
  | { readonly type: 'jobSealed'; readonly job: JobId }
  | {
      readonly type: 'resultsRecorded';
      readonly job: JobId;
      readonly seq: number;
      readonly page: Page;
      readonly failures: readonly Failure[];
      readonly streams: readonly Streamed[];
      /** Name of the Drone that reported it; null where nobody ran it. */
      readonly drone: string | null;
      /** Slot time of one task, averaged over the report. */
      readonly millis?: Millis;
      /** The page is one value for all its tasks, which have succeeded. */
      readonly reduced?: true;
      readonly at: Millis;
    }
  /** Adjacent reduced pages have become one. */
  | {
      readonly type: 'pagesFolded';
      readonly job: JobId;
      readonly seq: number;
      /** Those that it takes the place of, in the order of their tasks. */
      readonly seqs: readonly number[];
      readonly page: Page;
      readonly drone: string;
      readonly millis: Millis;
      readonly at: Millis;
    }
  | {
      readonly type: 'attemptFailed';
      readonly job: JobId;
      readonly failure: Failure;
      readonly drone: string;
      readonly millis?: Millis;
      readonly at: Millis;
      readonly retryAt: Millis;
    }
  | { readonly type: 'inputsDropped'; readonly job: JobId; readonly first: number; readonly count: number }
  | {
      readonly type: 'resultsDropped';
      readonly job: JobId;
      readonly seqs: readonly number[];
      /** Every task below this index has an outcome. */
      readonly recordedBelow: number;
    }
  | {
      readonly type: 'jobEnded';
      readonly job: JobId;
      readonly state: JobState;
      readonly message: string | null;
      /** The result page with the job's value, if it has one. */
      readonly value?: number;
      /** Its values could not be folded: what came of that. */
      readonly failure?: FoldFailure;
      readonly at: Millis;
    }
  | { readonly type: 'jobRemoved'; readonly job: JobId }
  /** An ended job goes on: failed tasks have no outcome any more, result pages that held them are cut around them. */
  | {
      readonly type: 'jobReopened';
      readonly job: JobId;
      readonly failed: readonly Interval[];
      readonly splits: readonly PageSplit[];
      /** Tasks that stay cancelled, because they were cancelled one by one. */
      readonly cancelled: number;
      readonly at: Millis;
    }
  /** Tasks below `mark` may have been leased; reserved in blocks, ahead of use. */
  | { readonly type: 'leasesMarked'; readonly job: JobId; readonly mark: number }
  | { readonly type: 'droneJoined'; readonly drone: PeerId; readonly name: string; readonly at: Millis }
  | { readonly type: 'droneLeft'; readonly drone: PeerId }
  /** An operator has said that a Drone gets no more work, or that it does again. */
  | {
      readonly type: 'drainChanged';
      readonly drone: PeerId;
      readonly isDraining: boolean;
      readonly at: Millis;
    }
  /** Whoever has the key with this id is not let in any more. */
  | { readonly type: 'keyRevoked'; readonly keyId: string; readonly at: Millis }
  /** What is known of another node; replaces what was known before. */
  | { readonly type: 'nodeNoted'; readonly facts: NodeFacts; readonly at: Millis }
  | { readonly type: 'nodeDropped'; readonly node: string }
  /** The newest summary of a job that another node owns, as JSON. */
  | {
      readonly type: 'jobHeard';
      readonly id: JobId;
      readonly node: string;
      readonly body: string;
      readonly at: Millis;
    }
  | { readonly type: 'jobUnheard'; readonly id: JobId }
  | JobRecovered;

/** A recorded page that is replaced by parts of it, each with a sequence number of its own. */
export interface PageSplit {
  readonly seq: number;
  readonly parts: readonly { readonly seq: number; readonly first: number; readonly count: number }[];
}

/** A whole job as a store remembers it: what its records would have made of it. */
export interface JobRecovered {
  readonly type: 'jobRecovered';
  readonly job: JobId;
  readonly spec: Spec;
  readonly owner: PeerId;
  readonly order: number;
  readonly at: Millis;
  readonly state: JobState;
  readonly appended: number;
  readonly isSealed: boolean;
  readonly recorded: readonly Interval[];
  readonly counts: { readonly succeeded: number; readonly failed: number; readonly cancelled: number };
  readonly seq: number;
  readonly mark: number;
  /** How often its ownership has changed hands, from 1. */
  readonly nodeEpoch?: number;
  readonly message: string | null;
  readonly failure?: FoldFailure | null;
  readonly endedAt: Millis | null;
  readonly value?: number | null;
  readonly reopenedAt?: Millis | null;
  /** What `tasksQueued` said, if anything. */
  readonly queuedSince?: readonly { readonly first: number; readonly at: Millis }[];
  /** Directories of pages; `bytes` is the length of their data. */
  readonly inputs: readonly { readonly first: number; readonly count: number; readonly bytes: number }[];
  readonly results: readonly {
    readonly seq: number;
    readonly first: number;
    readonly count: number;
    readonly bytes: number;
    readonly streamBytes?: number;
    readonly reduced?: true;
  }[];
  /** Tasks whose outcome is a failure. */
  readonly failedIndices: readonly number[];
  /** Tasks that were cancelled one by one. */
  readonly cancelledIndices: readonly number[];
  /** Of a graph job: the parents of the tasks in the input pages that are left. */
  readonly parents: readonly {
    readonly first: number;
    readonly count: number;
    readonly lists: readonly number[];
  }[];
  readonly streams: readonly Streamed[];
  readonly failedTasks: readonly {
    readonly index: number;
    readonly failures: number;
    readonly crashes: number;
    readonly retryAt: Millis;
    readonly message: string;
  }[];
}

/** Tasks of one job whose input bytes the runtime adds to a TaskAssign. */
export interface InputRef {
  readonly job: JobId;
  /** first, count, first, count, … */
  readonly ranges: readonly number[];
  /** First index of every input page that holds one of them, in the order of the ranges. */
  readonly pages: readonly number[];
  /**
   * Of a graph job, for every task: the number of its parents, then for each the page with its result (-1: it has none)
   * and its index. The task's input is the list of its own and these.
   */
  readonly parts?: readonly number[];
}
/** Recorded pages whose values are the input of a fold, in their order. */
export interface FoldRef {
  readonly job: JobId;
  readonly seqs: readonly number[];
}
/** The recorded page that the runtime adds to a Results, or, as its value, to a JobDone. */
export interface ResultRef {
  readonly job: JobId;
  readonly seq: number;
}
/** A message on its way out. Bytes that the scheduler does not hold are named by `inputs` or `results`. */
export interface Send {
  readonly session: SessionNumber;
  readonly message: Message;
  readonly inputs?: InputRef;
  readonly results?: ResultRef;
  readonly fold?: FoldRef;
  /** A task whose attempts are added to the body of an Answer. */
  readonly story?: StoryRef;
}
export interface StoryRef {
  readonly job: JobId;
  readonly index: number;
  /** The page that holds its outcome, if it has one. */
  readonly seq: number | null;
}
/** A session to close, with the Goodbye that the peer gets. */
export interface Close {
  readonly session: SessionNumber;
  readonly goodbye: Message<'Goodbye'>;
}

/** A holder of the secret asks for a change of the keys, which the runtime makes and answers. */
export interface KeyRequest {
  readonly session: SessionNumber;
  readonly request: number;
  readonly action: 'rotateKeys' | 'retireKeys';
}

/** Somebody reads a blob, and may. */
export interface BlobRequest {
  readonly session: SessionNumber;
  readonly get: Message<'BlobGet'>;
}

/** What one step, or one turn of steps, asks of the runtime. Order within each list is binding. */
export interface Effects {
  readonly append: StoreRecord[];
  /** These go at once. */
  readonly now: Send[];
  /** These wait for every append that was issued before them. */
  readonly afterCommit: Send[];
  readonly close: Close[];
  /** What people are told; nothing depends on it. */
  readonly notices: Notice[];
  readonly keys: KeyRequest[];
  readonly blobs: BlobRequest[];
  /** Drones that are to be dialled once more, for tasks that submit work. */
  readonly dials: PeerId[];
}

/** Something worth a line on the Queen's terminal. */
export type Notice =
  | {
      readonly type: 'droneJoined';
      readonly name: string;
      readonly slots: number;
      readonly address: string;
      readonly drones: number;
    }
  | {
      readonly type: 'droneLeft';
      readonly name: string;
      readonly reason: string;
      readonly tasksReturned: number;
      readonly drones: number;
    }
  | { readonly type: 'storeDamaged'; readonly message: string }
  | { readonly type: 'keyRevoked'; readonly keyId: string; readonly sessions: number }
  | { readonly type: 'droneQuarantined'; readonly name: string; readonly failures: number }
  | {
      readonly type: 'replyReceived';
      readonly name: string;
      readonly job: JobId;
      readonly index: number;
      /** The short text that the Drone's kind supplies. */
      readonly display: string;
      /** All of the value; added by the runtime, for whoever asked for it. */
      readonly value?: string;
    }
  | { readonly type: 'jobAccepted'; readonly job: JobId; readonly name: string; readonly kind: string }
  | {
      readonly type: 'jobEnded';
      readonly job: JobId;
      readonly name: string;
      readonly state: JobState;
      readonly message: string | null;
    };

export function noEffects(): Effects {
  return { append: [], now: [], afterCommit: [], close: [], notices: [], keys: [], blobs: [], dials: [] };
}
