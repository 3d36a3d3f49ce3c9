/**
 * What a task that takes processes with it is told of them. That a process is lost shows at once; how it ended is said only by
 * the next process of that Drone, when it has come (`Holdings`). So a loss is noted with whose it was, the words are kept by
 * whose they are, and whichever comes first waits for the other. They are for people, and not durable.
 *
 * Bounded: of so many processes and so many losses a job, the newest.
 */
import { type EndedProcess, LIMITS, type PeerId } from '@hive/shared';
import type { Job } from './job.ts';

/** Tasks that were running on a process that was lost. */
export interface Loss {
  readonly first: number;
  readonly end: number;
  readonly peer: PeerId;
  /** One task, and nothing else ran there: what was printed last was its own. */
  readonly wasAlone: boolean;
}

const PROCESSES_MAX = 256;
const LOSSES_MAX = 64;
/** As much as leaves the sentence that it is put behind its room: together they are one text on the wire. */
const WORDS_MAX = LIMITS.textMax / 2;

export class LastWords {
  readonly #words = new Map<PeerId, EndedProcess>();
  readonly #losses = new WeakMap<Job, Loss[]>();

  lost(job: Job, loss: Loss): void {
    const losses = this.#losses.get(job) ?? [];
    this.#losses.set(job, losses);
    losses.push(loss);
    if (losses.length > LOSSES_MAX) losses.shift();
  }

  heard(words: EndedProcess): void {
    const peer = words.peer as PeerId;
    this.#words.delete(peer);
    this.#words.set(peer, words);
    if (this.#words.size > PROCESSES_MAX) this.#words.delete(this.#words.keys().next().value!);
  }

  /** How the last process of which it is known ended with this task; empty if none is. To be put behind a sentence. */
  of(job: Job, index: number): string {
    const losses = this.#losses.get(job) ?? [];
    const about = losses.filter(
      ({ first, end, peer }) => first <= index && index < end && this.#words.has(peer),
    );
    const loss = about.at(-1);
    if (loss === undefined) return '';
    const { how, printed = '' } = this.#words.get(loss.peer)!;
    const end = `; the time before, that process ended with ${how}`;
    if (printed === '' || !loss.wasAlone) return end;
    return `${end}\nThe task had printed:\n${printed}`.slice(0, WORDS_MAX);
  }
}
