/**
 * What a slot's thread runs at this moment and since when, as far as its words say: the thread does not read the clock for
 * every task, so the first look that saw one may have to do.
 */
import type { RunningTask } from '../agent/events.ts';
import { type ControlBlock, clock, TIME, WORD } from './control-block.ts';

/** A thing that was seen, and when that was first. */
class Sight {
  #position = -1;
  #at = 0;

  at(position: number, now: number): number {
    if (this.#position !== position) {
      this.#position = position;
      this.#at = now;
    }
    return this.#at;
  }
}

/** Of one run of a lease. */
export class RunningLook {
  readonly #running = new Sight();
  readonly #folding = new Sight();

  look({ words, times }: ControlBlock): RunningTask | null {
    const position = Atomics.load(words, WORD.completed);
    if (Atomics.load(words, WORD.next) <= position) return null;
    const now = clock();
    const seen = this.#running.at(position, now);
    const isKnown = Atomics.load(words, WORD.startedPosition) === position;
    const runningMillis = Math.max(0, now - (isKnown ? times[TIME.startedAt]! : seen));
    // The thread may have gone on since: then it is another task that is folded.
    const isFolding = Atomics.load(words, WORD.isFolding) === 1;
    if (!isFolding || Atomics.load(words, WORD.completed) !== position) return { position, runningMillis };
    return { position, runningMillis, foldingMillis: now - this.#folding.at(position, now) };
  }
}
