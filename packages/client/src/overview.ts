/** What a Queen answers to questions, as far as this version knows it. A newer Queen may say more. */
import type { Counts, JobId, JobState, Plain, Reduce } from '@hive/shared';

type More = { readonly [key: string]: Plain | undefined };

/** A Queen's totals. Times are in milliseconds, rates in tasks per second over the last seconds. */
export type QueenStatus = More & {
  readonly name: string;
  readonly queen: string;
  readonly store: string;
  readonly uptimeMillis: number;
  readonly drones: number;
  readonly slots: number;
  readonly busySlots: number;
  readonly clients: number;
  /** Jobs by state. */
  readonly jobs: { readonly [state in JobState]: number };
  readonly tasksRunning: number;
  readonly tasksReady: number;
  readonly tasksRecorded: number;
  readonly tasksPerSecond: number;
  /** What of her store cannot be read any more, in a sentence; absent if nothing is known to be damaged. */
  readonly storeDamage?: string;
};

export type DroneInfo = More & {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly slots: number;
  readonly busySlots: number;
  readonly state: string;
  readonly kinds: readonly string[];
  readonly labels: { readonly [name: string]: string };
  readonly connectedMillis: number;
  readonly tasksDone: number;
  readonly tasksPerSecond: number;
};

/** A node of the mesh, as the one that was asked knows it. */
export type NodeInfo = More & {
  /** Of its Queen. */
  readonly id: string;
  readonly name: string;
  /** `IDLE`, `BUSY`, `DRAINING`, or `FAILED`: gone without a word. */
  readonly state: string;
  /** Where the node that was asked reaches it. */
  readonly address: string;
  readonly addresses: readonly string[];
  readonly version: string;
  /** Slots of its own Drone, those that run something, and their share. */
  readonly slots: number;
  readonly busySlots: number;
  readonly load: number;
  /** Tasks of its jobs that wait for a place. */
  readonly queue: number;
  /** RFC 3339. */
  readonly lastHeardAt: string;
  /** It is the one that was asked. */
  readonly self?: boolean;
};

export type JobInfo = More & {
  readonly id: JobId;
  readonly name: string;
  readonly kind: string;
  readonly state: JobState;
  readonly counts: Counts;
  readonly sealed: boolean;
  readonly attached: boolean;
  /** The job whose task has submitted it; such jobs are hidden. */
  readonly parent?: string;
  readonly encoding?: string;
  /** How its results are folded into one value. */
  readonly reduce?: Reduce;
  readonly priority: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly endedAt?: string;
  readonly elapsedMillis: number;
  readonly message?: string;
  /** That a Drone must have. */
  readonly labels?: { readonly [name: string]: string };
  /** Parameters of its kind, if they are small. */
  readonly params?: { readonly [name: string]: Plain };
  /** The Queen who owns it, by id; how often that has changed; and, if she is not the one who was asked, where she is. */
  readonly node?: string;
  readonly nodeEpoch?: number;
  readonly nodeName?: string;
  readonly nodeAddresses?: readonly string[];
  /** Its node is away: this is what was known of it then. RFC 3339. */
  readonly lastKnownAt?: string;
};

/** So many of the newest jobs; `next` is there when there are older ones, and asks for those. */
export interface JobsPage {
  readonly jobs: readonly JobInfo[];
  readonly next?: JobsPlace;
}
/** Where a page of jobs ended: a number in a list of one Queen's, a text in one of all nodes'. */
export type JobsPlace = number | string;

/** Bounded in size, whatever the cluster's: the newest jobs and the first Drones. */
export type Overview = More & {
  readonly status: QueenStatus;
  readonly jobs: readonly JobInfo[];
  readonly drones: readonly DroneInfo[];
};

/** One execution of a task, as it ended. */
export type AttemptInfo = More & {
  /** `succeeded`, `failed`, `timedOut`, `crashed` or `cancelled`. */
  readonly outcome: string;
  readonly code?: string;
  /** The error's text. */
  readonly message?: string;
  /** The name of the Drone that ran it. */
  readonly drone?: string;
  /** RFC 3339. */
  /** When it started and how long it ran, averaged over what was reported together; absent if not known. */
  readonly startedAt?: string;
  readonly millis?: number;
  readonly endedAt: string;
};

/** What became of one task, attempt by attempt. */
export type TaskStory = More & {
  readonly job: JobId;
  readonly index: number;
  /** `queued`, `leased`, `running`, `held`, `waitingForRetry`, `recorded`, `failed` or `cancelled`. */
  readonly state: string;
  /** Where it is now. */
  readonly drone?: string;
  readonly attempts: readonly AttemptInfo[];
};

export type DrainInfo = More & {
  readonly drone: string;
  readonly name: string;
  readonly draining: boolean;
  /** Leases that it still holds. */
  readonly leases: number;
};

/** A key that opens no session any more. */
export interface RevokedKey {
  readonly id: string;
  /** RFC 3339. */
  readonly revokedAt: string;
}
/** The newest generation of the secret, and all that are valid. */
export interface KeyGenerations {
  readonly generation: number;
  readonly generations: readonly number[];
}
