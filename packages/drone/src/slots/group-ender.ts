/**
 * The main thread's hand on the processes of a slot: ends the group of the command that runs, with SIGTERM, and with
 * SIGKILL after `LIMITS.killMillis`. The thread, which waits for that process, then fails its task as it was told here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '@hive/shared';
import { signalGroup } from '../commands/group.ts';
import { type DiskLimit, watchDisk } from '../sandbox/disk-watch.ts';
import { askInside } from '../sandbox/run.ts';
import { type ControlBlock, WORD } from './control-block.ts';
import { GroupWords, type Verdict } from './group-words.ts';

/** How often a process that is killed is looked for. */
const CLOSING_MILLIS = 2;

export class GroupEnder {
  readonly #block: ControlBlock;
  readonly #words: GroupWords;
  /** Of the command whose end is under way. */
  #killTimer: NodeJS.Timeout | null = null;
  /** Of the command that has a time limit of its own. */
  #limitTimer: NodeJS.Timeout | null = null;
  #ending: number | null = null;
  #stopWatching: () => void = () => {};

  constructor(block: ControlBlock) {
    this.#block = block;
    this.#words = new GroupWords(block);
  }

  /** Whether what runs now runs as a process, and so is not ended by ending the thread. */
  get isBusy(): boolean {
    return this.#words.isBusy;
  }

  /** A new lease begins; the thread is at rest. */
  reset(): void {
    this.#words.reset();
    this.#ending = null;
    this.#clear();
  }

  /** Ends the command at this position, if it is the one that runs. A second call kills it at once. */
  end(position: number, verdict: Verdict): void {
    if (this.#ending === position) {
      this.#kill(position);
      return;
    }
    this.#ending = position;
    this.#words.want(position, verdict);
    this.#signal(position, 'SIGTERM');
    this.#clear();
    this.#killTimer = setTimeout(() => this.#kill(position), LIMITS.killMillis).unref();
  }

  /** The thread is gone: so is whatever it waited for. */
  abandon(): void {
    const { group } = this.#words;
    if (group !== null) signalGroup(group, 'SIGKILL');
    this.reset();
  }

  /** The command at this position may run for so long. */
  limit(position: number, millis: number): void {
    if (this.#limitTimer !== null) clearTimeout(this.#limitTimer);
    const passed = () => {
      if (this.#isAt(position) && this.#ending !== position)
        this.end(position, { why: 'limit', message: '' });
    };
    this.#limitTimer = setTimeout(passed, Math.min(millis, 2 ** 31 - 1)).unref();
  }

  /** The folders of the command at this position may take so much. */
  limitDisk(position: number, limit: DiskLimit): void {
    this.#stopWatching();
    const message = `The files of the command took more than the ${limit.diskBytes} bytes that its sandbox allows.`;
    this.#stopWatching = watchDisk(limit, () => {
      if (this.#isAt(position) && this.#ending !== position) this.end(position, { why: 'disk', message });
    });
  }

  /**
   * The Drone ends: nothing is started any more, and what runs is killed. Resolves when the thread has no process any
   * more: it must not be ended between starting one and saying so.
   */
  async close(): Promise<void> {
    this.#clear();
    this.#words.want(null, { why: 'cancelled', message: 'The Drone was stopped.' });
    while (this.#words.isBusy) {
      const { group } = this.#words;
      if (group !== null) signalGroup(group, 'SIGKILL');
      await sleep(CLOSING_MILLIS);
    }
  }

  #kill(position: number): void {
    this.#signal(position, 'SIGKILL');
  }

  #signal(position: number, signal: NodeJS.Signals): void {
    const { group, isBox } = this.#words;
    if (group === null || !this.#isAt(position)) return;
    if (isBox && signal === 'SIGTERM') askInside(group);
    else signalGroup(group, signal);
  }

  #isAt(position: number): boolean {
    return Atomics.load(this.#block.words, WORD.completed) === position;
  }

  #clear(): void {
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
    if (this.#limitTimer !== null) clearTimeout(this.#limitTimer);
    this.#stopWatching();
    this.#killTimer = null;
    this.#limitTimer = null;
  }
}
