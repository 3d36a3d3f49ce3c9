/** What the run and its client processes say to each other, over Node's IPC channel. */
import type { JobId, JobState } from '@hive/client';
import type { ProcessesAccess } from '@hive/local';
import type { Plan } from './plan.ts';

export type ToClient =
  | { readonly type: 'connect'; readonly access: ProcessesAccess; readonly name: string }
  /** `isAgain`: another client submitted it before and died; some of its results may be gone with that one. */
  | { readonly type: 'submit'; readonly plan: Plan; readonly isAgain: boolean }
  /** Reads the results of a detached job that somebody else submitted. */
  | { readonly type: 'read'; readonly plan: Plan }
  | { readonly type: 'stop' };

export type FromClient =
  | { readonly type: 'ready' }
  /** What was said here was promised: the Queen has the job. */
  | { readonly type: 'accepted'; readonly job: JobId }
  /** …and all of it: a detached job is then acknowledged. */
  | { readonly type: 'sealed'; readonly job: JobId }
  | {
      readonly type: 'ended';
      readonly job: JobId;
      readonly as: 'submitter' | 'reader';
      /** Null for calls, which have no end of their own. */
      readonly state: JobState | null;
      /** Results that were looked at. */
      readonly seen: number;
      readonly problems: readonly string[];
    };
