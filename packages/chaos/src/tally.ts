/** What a run did, counted. A Queen's own counts begin anew with each process, so the last heard of each is kept. */
import type { QueenStatus } from '@hive/client';

export interface Faults {
  queensKilled: number;
  queensFrozen: number;
  dronesKilled: number;
  dronesFrozen: number;
  clientsKilled: number;
  clientsFrozen: number;
}

type Counted = 'duplicateResults' | 'staleReports' | 'tasksReturned' | 'tasksRetracted' | 'leases';
const COUNTED: readonly Counted[] = [
  'duplicateResults',
  'staleReports',
  'tasksReturned',
  'tasksRetracted',
  'leases',
];
export type QueenCounts = { readonly [name in Counted]: number };

export class Tally {
  readonly faults: Faults = {
    queensKilled: 0,
    queensFrozen: 0,
    dronesKilled: 0,
    dronesFrozen: 0,
    clientsKilled: 0,
    clientsFrozen: 0,
  };
  jobs = 0;
  jobsCancelled = 0;
  jobsTakenUp = 0;
  /** Results that were looked at, by all readers. */
  results = 0;
  readonly #byIncarnation = new Map<unknown, QueenStatus>();

  note(status: QueenStatus): void {
    this.#byIncarnation.set(status.incarnation, status);
  }

  get tasksRecorded(): number {
    let recorded = 0;
    for (const status of this.#byIncarnation.values()) recorded += status.tasksRecorded;
    return recorded;
  }
  /** At least: what happened in the last moments of a Queen that was killed, nobody has heard. */
  get ofQueens(): QueenCounts {
    const counts = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Record<Counted, number>;
    for (const status of this.#byIncarnation.values()) {
      for (const name of COUNTED) counts[name] += Number(status[name] ?? 0);
    }
    return counts;
  }
}
