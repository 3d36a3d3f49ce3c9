/**
 * Jobs with tasks that could run now, in the order in which they get places: priority, then fair share by virtual time
 * (start-time fair queueing: Goyal, Vin, Cheng 1996), then submission. Jobs that fit the same Drones share a heap, so a
 * cluster with a hundred thousand queued jobs is searched by looking at a few tops.
 */

import type { Profile } from './drone.ts';
import { Heap } from './heap.ts';
import type { Job } from './job.ts';

export class ReadyJobs {
  readonly #heaps = new Map<string, Heap<Job>>();
  /** Virtual time of the job that was served last, by priority: where a job that was idle joins in. */
  readonly #clocks = new Map<number, number>();
  size = 0;

  /** Puts a job in, takes it out or moves it, whatever its state asks for. */
  update(job: Job): void {
    const heap = this.#heaps.get(job.requirement);
    const isIn = job.heapPosition >= 0;
    if (!job.isReady) {
      this.hide(job);
      return;
    }
    if (!isIn) {
      this.size++;
      job.virtualTime = Math.max(job.virtualTime, this.#clocks.get(job.priority) ?? 0);
    }
    if (heap !== undefined) heap.set(job);
    else {
      const fresh = new Heap<Job>(comesBefore);
      fresh.set(job);
      this.#heaps.set(job.requirement, fresh);
    }
  }

  /** Takes a job out until its next `update`. */
  hide(job: Job): void {
    const heap = this.#heaps.get(job.requirement);
    if (heap === undefined || job.heapPosition < 0) return;
    heap.delete(job);
    this.size--;
    if (heap.size === 0) this.#heaps.delete(job.requirement);
  }

  /** The job that comes first among those that Drones of a profile may run. */
  best(profile: Profile): Job | null {
    let best: Job | null = null;
    for (const heap of this.#heaps.values()) {
      const top = heap.top!;
      if ((best === null || comesBefore(top, best)) && profile.fits(top)) best = top;
    }
    return best;
  }

  /** A job was given slot time: the clock of its priority moves on with it. */
  charge(job: Job, millis: number): void {
    const clock = this.#clocks.get(job.priority) ?? 0;
    if (job.virtualTime > clock) this.#clocks.set(job.priority, job.virtualTime);
    job.virtualTime += millis / job.weight;
  }
}

function comesBefore(a: Job, b: Job): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.virtualTime !== b.virtualTime) return a.virtualTime < b.virtualTime;
  return a.order < b.order;
}
