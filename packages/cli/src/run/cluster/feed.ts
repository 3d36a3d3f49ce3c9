/**
 * Commands on their way into the job: as many as may run at a time, no more, so that each has a slot of its own while it
 * is away, and a halt finds nothing waiting. A command that failed and may try again is handed out as one more task.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandTask, ExecuteOptions } from '../command-task.ts';
import { SlotNumbers } from '../template/slots.ts';
import { transferredFiles } from './files.ts';
import { inputOf } from './input.ts';

/** A command that was handed out. */
export interface Away {
  readonly task: CommandTask;
  /** From 1. */
  readonly attempt: number;
  readonly slot: number;
  /** Bytes of files that went with it. */
  sentBytes: number;
}

export class Feed {
  readonly #options: ExecuteOptions;
  readonly #most: number;
  readonly #source: AsyncIterator<CommandTask>;
  /** By their index in the job, which is another one than the command's as soon as one is tried again. */
  readonly #away = new Map<number, Away>();
  readonly #again: Away[] = [];
  readonly #slots = new SlotNumbers();
  #handedOut = 0;
  #lastStart = Number.NEGATIVE_INFINITY;
  readonly #stopped = new AbortController();
  readonly #started: (index: number) => void;
  readonly #say: (text: string) => void;
  #tellChanged: () => void = () => {};

  /**
   * @param most commands that are away at a time
   * @param started called with the index of every command that is handed out
   * @param say a word to the person
   */
  constructor(
    commands: AsyncIterable<CommandTask>,
    options: ExecuteOptions,
    most: number,
    started: (index: number) => void,
    say: (text: string) => void,
  ) {
    this.#started = started;
    this.#say = say;
    this.#options = options;
    this.#most = most;
    this.#source = commands[Symbol.asyncIterator]();
  }

  /** Ends when there are no more, or after `stop`. @throws what the commands throw */
  async *inputs(): AsyncGenerator<unknown> {
    let next: Promise<IteratorResult<CommandTask>> | null = null;
    let isAtEnd = false;
    try {
      while (!this.#isStopped) {
        const again = this.#again.shift();
        if (again !== undefined) yield await this.#handOut(again);
        else if (isAtEnd && this.#away.size === 0) return;
        else if (isAtEnd || this.#away.size >= this.#most) await this.#change();
        else {
          next ??= this.#source.next();
          const taken: IteratorResult<CommandTask> | undefined = await Promise.race([next, this.#change()]);
          if (taken === undefined) continue;
          next = null;
          if (taken.done === true) isAtEnd = true;
          else
            yield await this.#handOut({
              task: taken.value,
              attempt: 1,
              slot: this.#slotOf(taken.value),
              sentBytes: 0,
            });
          // Whether one may be tried again is known when it has ended.
          if (isAtEnd && this.#options.attempts === 1) return;
        }
      }
    } finally {
      // A source that waits for input which does not come ends by itself when somebody has use for it.
      next?.catch(() => {});
      void this.#source.return?.()?.catch(() => {});
    }
  }

  /** Hands out no more. */
  stop(): void {
    this.#stopped.abort();
    this.#tellChanged();
  }

  /** What is away under this index of the job. */
  away(index: number): Away | undefined {
    return this.#away.get(index);
  }

  /** It is over for good. */
  ended(index: number): void {
    const away = this.#away.get(index);
    if (away === undefined) return;
    this.#away.delete(index);
    if (away.task.slot === null) this.#slots.free(away.slot);
    this.#tellChanged();
  }

  /** It has failed. Whether it is handed out once more. */
  maybeAgain(index: number): boolean {
    const away = this.#away.get(index)!;
    if (this.#isStopped || away.attempt >= this.#options.attempts) return false;
    this.#away.delete(index);
    this.#again.push({ ...away, attempt: away.attempt + 1 });
    this.#tellChanged();
    return true;
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  #change(): Promise<undefined> {
    return new Promise((resolve) => {
      this.#tellChanged = () => resolve(undefined);
    });
  }

  #slotOf({ slot }: CommandTask): number {
    return slot ?? this.#slots.take();
  }

  async #handOut(away: Away): Promise<unknown> {
    await this.#delay();
    const { task, slot } = away;
    const { cwd, slotVariable } = this.#options;
    const files = await transferredFiles(task, cwd, this.#say);
    away.sentBytes = files.reduce((sum, { entry }) => sum + entry.bytes, 0);
    const hasFiles = this.#options.baseFiles.length + task.transfer.length + task.return.length > 0;
    this.#away.set(this.#handedOut++, away);
    this.#started(task.index);
    return inputOf(task, {
      cwd,
      hasFiles,
      files,
      slotEnv: { PARALLEL_JOBSLOT: String(slot), [slotVariable]: String(slot - 1) },
    });
  }

  async #delay(): Promise<void> {
    const { delayMillis } = this.#options;
    if (delayMillis === 0) return;
    const waits = this.#lastStart + delayMillis - performance.now();
    if (waits > 0) await sleep(waits, undefined, { signal: this.#stopped.signal }).catch(() => {});
    this.#lastStart = performance.now();
  }
}
