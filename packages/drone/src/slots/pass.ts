/** What a task needs that would submit work: the way to its Queen, and the token of its lease. */
import type { JobId, LeaseNumber, QueenId } from '@hive/shared';
import type { OrderPass } from '../agent/events.ts';
import type { PassAnswer, TaskLine } from './control-block.ts';

/** Where a Queen is dialled, and with which key. */
export type QueenWay = Pick<TaskLine, 'queen' | 'key' | 'isForced'>;

interface Asking {
  readonly number: number;
  readonly queen: QueenId;
  readonly job: JobId;
  /** Null: its job does not say that its tasks submit work. */
  readonly pass: OrderPass | null;
}

export type WayTo = (queen: QueenId, lease: LeaseNumber) => Promise<QueenWay>;

export async function passFor({ number: run, queen, job, pass }: Asking, wayTo: WayTo): Promise<PassAnswer> {
  try {
    if (pass === null) return { type: 'pass', run, pass: null, problem: NOT_NESTED, isLasting: true };
    const way = await wayTo(queen, pass.lease);
    return { type: 'pass', run, pass: { ...way, job, ...pass }, problem: '', isLasting: false };
  } catch (error) {
    return { type: 'pass', run, pass: null, problem: (error as Error).message, isLasting: false };
  }
}

const NOT_NESTED =
  'A task may submit work only if its job says so: submit that with the option nested: true, or "hive map --nested".';
