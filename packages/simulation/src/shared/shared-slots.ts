/**
 * The slots of a Drone that works for several Queens, as an auditor sees them: each Queen's own auditor hears of her tasks,
 * and here is counted what runs for all of them together (G3).
 */
import type { LeaseOrder } from '@hive/drone';
import type { Auditor } from '../auditor.ts';
import type { JobPlan } from '../plan.ts';
import type { Process } from '../process.ts';

/** What slots tell an auditor. */
export type SlotAuditor = Pick<
  Auditor,
  'fail' | 'taskStarted' | 'taskStopped' | 'taskRests' | 'taskGoesOn' | 'inputGiven' | 'foldFailed'
>;

export class SharedSlots implements SlotAuditor {
  readonly #slots: number;
  readonly #auditorOf: (job: string) => Auditor;
  #used = 0;

  constructor(slots: number, auditorOf: (job: string) => Auditor) {
    this.#slots = slots;
    this.#auditorOf = auditorOf;
  }

  fail(text: string): never {
    return this.#auditorOf('').fail(text);
  }

  taskStarted(process: Process, order: LeaseOrder, position: number, index: number): number {
    const auditor = this.#auditorOf(order.job);
    this.#used += order.spec.slots ?? 1;
    if (this.#used > this.#slots)
      auditor.fail(`G3: ${process.name} runs tasks of all Queens on ${this.#used} of ${this.#slots} slots`);
    return auditor.taskStarted(process, order, position, index);
  }

  taskRests(process: Process, order: LeaseOrder): void {
    this.#used -= order.spec.slots ?? 1;
    this.#auditorOf(order.job).taskRests(process, order);
  }
  taskGoesOn(process: Process, order: LeaseOrder): void {
    const auditor = this.#auditorOf(order.job);
    this.#used += order.spec.slots ?? 1;
    if (this.#used > this.#slots)
      auditor.fail(
        `G3: ${process.name} lets tasks of all Queens go on, on ${this.#used} of ${this.#slots} slots`,
      );
    auditor.taskGoesOn(process, order);
  }

  taskStopped(process: Process, order: LeaseOrder, index: number, isResting = false): void {
    if (!isResting) this.#used -= order.spec.slots ?? 1;
    this.#auditorOf(order.job).taskStopped(process, order, index, isResting);
  }

  foldFailed(plan: JobPlan): void {
    this.#auditorOf(plan.id).foldFailed(plan);
  }

  inputGiven(process: Process, plan: JobPlan, index: number, input: Uint8Array): void {
    this.#auditorOf(plan.id).inputGiven(process, plan, index, input);
  }
}
