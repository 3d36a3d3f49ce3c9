/**
 * How much memory V8 may take for comfort. By default its heap grows to twice what is alive and more, which is right for
 * speed while the heap is small. With hundreds of thousands of jobs queued it would be hundreds of megabytes of nothing,
 * so from a certain size on the collector is told to keep it tight. Costs about a third of the Queen's speed at creating
 * jobs then, and nothing before. It speaks for the whole process, so only a Queen that has one to herself makes one.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/**
 * The heap is kept tight while more than this of it is in use, in bytes. What is only set aside does not count: new objects have up
 * to a hundred megabytes of that in a Queen with much to do and few jobs, and being tight for it would cost her a third.
 */
const TIGHT_BYTES = 96 * 1024 * 1024;
const LOOK_MILLIS = 250;

export class HeapPolicy {
  #isTight = false;

  constructor() {
    setInterval(() => this.#look(), LOOK_MILLIS).unref();
  }

  #look(): void {
    const bytes = getHeapStatistics().used_heap_size;
    // Half the bound lies between the two, or the flag would flicker.
    this.#set(bytes > (this.#isTight ? TIGHT_BYTES / 2 : TIGHT_BYTES));
  }

  #set(isTight: boolean): void {
    if (isTight === this.#isTight) return;
    this.#isTight = isTight;
    setFlagsFromString(isTight ? '--optimize-for-size' : '--no-optimize-for-size');
  }
}
