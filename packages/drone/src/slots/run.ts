/** A lease while it is in a slot, as the main thread sees it. */
import type { JobId, QueenId, Spec } from '@hive/shared';
import type { LeaseOrder, OrderPass, RunNumber } from '../agent/events.ts';
import { type FoldedRun, foldedRunOf, runsFunction } from './folded-run.ts';
import { RunningLook } from './running-look.ts';

export interface Run {
  readonly number: RunNumber;
  readonly queen: QueenId;
  readonly job: JobId;
  /** With which its tasks may submit work. */
  readonly pass: OrderPass | null;
  readonly ranges: readonly number[];
  /** Its tasks run as processes, which are ended in another way than threads. */
  readonly isCommand: boolean;
  /** A user's function runs, of which several may be under way at once. */
  readonly isFunction: boolean;
  readonly spec: Spec;
  /** What its thread's buffers may hold, in MiB; undefined: anything. */
  readonly buffersMiB: number | undefined;
  /** Positions from here on are not this slot's any more. */
  end: number;
  isPaused: boolean;
  /** It has asked for blobs. */
  wantsBlobs: boolean;
  /** The thread has stopped at what it took for the end. */
  isParked: boolean;
  busyReported: number;
  /** Of a reduced job: its results, folded. */
  readonly folded: FoldedRun | null;
  readonly isFold: boolean;
  readonly look: RunningLook;
}

export function runOf(order: LeaseOrder, buffersMiB: number | undefined): Run {
  const { spec, isFold } = order;
  return {
    number: order.run,
    queen: order.queen,
    job: order.job,
    pass: order.pass ?? null,
    ranges: order.ranges,
    isCommand: spec.kind === 'command' && !isFold,
    isFunction: runsFunction(order),
    spec,
    buffersMiB,
    end: order.end,
    isPaused: false,
    wantsBlobs: false,
    isParked: false,
    busyReported: 0,
    folded: foldedRunOf(order),
    isFold,
    look: new RunningLook(),
  };
}
