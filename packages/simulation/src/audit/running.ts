/**
 * What runs where (G3): never more than a Drone has slots, never the same task twice at once on one Drone, and never a
 * task under a lease of which it was given back.
 */
import type { LeaseOrder } from '@hive/drone';
import type { Message } from '@hive/shared';
import type { Fail } from '../auditor.ts';
import type { Process } from '../process.ts';

interface Held {
  readonly lease: number;
  /** Positions from here on were given back. */
  end: number;
  /** Positions below this were started. */
  started: number;
  /** It was told to stop, and may take its time: what it runs may run again elsewhere, even on the same Drone. */
  isCancelled: boolean;
}
interface Running {
  readonly slots: number;
  used: number;
  /** What runs, as `job:index`, and under which lease. */
  readonly tasks: Map<string, Held>;
  readonly leases: Map<number, Held>;
}

export class RunningAudit {
  readonly #fail: Fail;
  readonly #processes = new Map<Process, Running>();
  /** By the list of ranges, which goes from the message to the slot as it is. */
  readonly #byRanges = new WeakMap<readonly number[], Held>();
  /** How often each task was started. */
  readonly #starts = new Map<string, number>();

  constructor(fail: Fail) {
    this.#fail = fail;
  }

  processStarted(process: Process, slots: number): void {
    this.#processes.set(process, { slots, used: 0, tasks: new Map(), leases: new Map() });
  }
  processKilled(process: Process): void {
    this.#processes.delete(process);
  }

  assigned(process: Process, { lease, ranges }: Message<'TaskAssign'>): void {
    const held = { lease, end: Number.POSITIVE_INFINITY, started: 0, isCancelled: false };
    this.#of(process).leases.set(lease, held);
    this.#byRanges.set(ranges, held);
  }

  retracted(process: Process, { lease, end }: Message<'Retracted'>): void {
    const held = this.#of(process).leases.get(lease);
    if (held === undefined) this.#fail(`${process.name} gives back lease ${lease}, which it never had`);
    if (end < held.started)
      this.#fail(`G3: ${process.name} gave back position ${end} of lease ${lease} after starting it`);
    held.end = Math.min(held.end, end);
  }

  cancelled(process: Process, { lease }: Message<'CancelTask'>): void {
    const held = this.#of(process).leases.get(lease);
    if (held !== undefined) held.isCancelled = true;
  }

  taskStarted(process: Process, order: LeaseOrder, position: number, index: number): number {
    const running = this.#of(process);
    const held = this.#byRanges.get(order.ranges);
    if (held === undefined) this.#fail(`${process.name} runs a lease that nobody gave it`);
    if (position >= held.end)
      this.#fail(
        `G3: ${process.name} starts position ${position} of lease ${held.lease}, which it gave back`,
      );
    if (position < held.started)
      this.#fail(`${process.name} starts position ${position} of lease ${held.lease} twice`);
    held.started = position + 1;
    running.used += order.spec.slots ?? 1;
    if (running.used > running.slots)
      this.#fail(`G3: ${process.name} runs tasks on ${running.used} slots and has ${running.slots}`);
    const task = `${order.job}:${index}`;
    if (running.tasks.get(task)?.isCancelled === false)
      this.#fail(`G3: ${process.name} runs task ${index} twice at once`);
    running.tasks.set(task, held);
    const n = (this.#starts.get(task) ?? 0) + 1;
    this.#starts.set(task, n);
    return n;
  }

  /** A task waits for what it has submitted: it takes no slots. */
  taskRests(process: Process, order: LeaseOrder): void {
    this.#of(process).used -= order.spec.slots ?? 1;
  }
  taskGoesOn(process: Process, order: LeaseOrder): void {
    const running = this.#of(process);
    running.used += order.spec.slots ?? 1;
    if (running.used > running.slots)
      this.#fail(`G3: ${process.name} lets a task go on, on ${running.used} slots, and has ${running.slots}`);
  }

  /** @param isResting it waited at that moment */
  taskStopped(process: Process, order: LeaseOrder, index: number, isResting = false): void {
    const running = this.#processes.get(process);
    if (running === undefined) return;
    if (!isResting) running.used -= order.spec.slots ?? 1;
    const task = `${order.job}:${index}`;
    if (running.tasks.get(task) === this.#byRanges.get(order.ranges)) running.tasks.delete(task);
  }

  finish(): void {
    for (const [{ name }, { tasks }] of this.#processes) {
      if (tasks.size > 0) this.#fail(`G7: ${name} still runs ${[...tasks.keys()].join(' ')}`);
    }
  }

  #of(process: Process): Running {
    const running = this.#processes.get(process);
    if (running === undefined) this.#fail(`${process.name} is dead and still does something`);
    return running;
  }
}
