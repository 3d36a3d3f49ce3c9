/**
 * What was promised to whom. A promise is what a client process has said before it died: `accepted` for an attached job,
 * `sealed` for a detached one. What it had not said may be there or not, whole or in part, and must still end.
 */
import type { JobId } from '@hive/client';
import type { Plan } from './plan.ts';

export interface Entry {
  readonly plan: Plan;
  /** The client that has it; null after that one was killed and before somebody takes it up. */
  holder: string | null;
  /** Accepted or, if it is detached, sealed: it may not get lost any more. */
  isPromised: boolean;
  /** It was submitted again after its first client was killed. */
  isAgain: boolean;
  /** Its submitter has seen it end. */
  isDone: boolean;
  /** The Queen has said that she cancelled it (or that it had ended before). */
  isCancelled: boolean;
  /** Readers at work on it, and whether one has read it to the end. */
  readers: number;
  isRead: boolean;
}

export class Ledger {
  readonly entries = new Map<JobId, Entry>();

  open(plan: Plan, holder: string): Entry {
    const entry: Entry = {
      plan,
      holder,
      isPromised: false,
      isAgain: false,
      isDone: false,
      isCancelled: false,
      readers: 0,
      isRead: false,
    };
    this.entries.set(plan.id, entry);
    return entry;
  }

  /** Entries that one client has and has not finished. */
  heldBy(client: string): Entry[] {
    return this.select((entry) => entry.holder === client && !entry.isDone);
  }
  /** Its client was killed, and it is not known to have ended. */
  get orphans(): Entry[] {
    return this.select((entry) => entry.holder === null && !entry.isDone);
  }
  /** Orphans that another client can go on with: large inputs were with the client that has died. */
  get takeable(): Entry[] {
    return this.orphans.filter(({ plan }) => plan.work !== 'large');
  }
  /** Detached jobs that were acknowledged: they must be whole, whoever died. */
  get acknowledged(): Entry[] {
    return this.select((entry) => entry.isPromised && !entry.plan.isAttached);
  }

  select(wanted: (entry: Entry) => boolean): Entry[] {
    return [...this.entries.values()].filter(wanted);
  }
}
