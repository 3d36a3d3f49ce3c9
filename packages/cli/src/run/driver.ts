/** Runs a plan through an executor: hands commands over as they are wanted, and reports what comes back. */
import { plural } from '../format.ts';
import { shownText } from './byte-text.ts';
import type { CommandEvent, CommandResult, CommandTask, Execute, ExecuteOptions } from './command-task.ts';
import { type HaltRules, hasFailed } from './halt.ts';
import type { Reporter } from './output/reporter.ts';
import type { RunProgress } from './output/run-progress.ts';
import type { Planned } from './plan.ts';

export interface DriverOptions {
  readonly commands: AsyncIterable<Planned> | Iterable<Planned>;
  readonly execute: Execute;
  readonly executeOptions: Omit<ExecuteOptions, 'halt'>;
  readonly rules: HaltRules;
  readonly reporter: Reporter;
  readonly progress: RunProgress;
  /** How many commands there will be, where that is known before. */
  readonly total: () => number | null;
  /** Aborted when the person wants it to end: then what runs is ended. */
  readonly interrupt: AbortSignal;
  /** A word to the person, without our name before it. */
  readonly say: (text: string) => void;
}

export class Driver {
  readonly #options: DriverOptions;
  readonly #halt = new AbortController();
  #handedOver = 0;
  #isInputOver = false;
  /** Ended at once by --halt now: nothing is reported any more. */
  #isOver = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    const stop = () => this.#halt.abort('now');
    if (options.interrupt.aborted) stop();
    else options.interrupt.addEventListener('abort', stop, { once: true });
  }

  /** Resolves with the exit code. @throws UsageError for input that is found wrong on the way */
  async run(): Promise<number> {
    const { execute, executeOptions, rules, reporter, interrupt, say } = this.#options;
    try {
      for await (const event of execute(this.#tasks(), { ...executeOptions, halt: this.#halt.signal }))
        await this.#handle(event);
    } finally {
      reporter.close();
    }
    this.#showProgress(true);
    if (interrupt.aborted) say(howFar(rules));
    return rules.exitCode;
  }

  async *#tasks(): AsyncGenerator<CommandTask> {
    const { commands, reporter } = this.#options;
    for await (const planned of commands) {
      for (let room = reporter.room(); room !== null; room = reporter.room()) await room;
      if (this.#halt.signal.aborted) {
        planned.release();
        return;
      }
      reporter.add(planned);
      this.#handedOver++;
      yield planned.task;
    }
    this.#isInputOver = true;
  }

  async #handle(event: CommandEvent): Promise<void> {
    if (this.#isOver) return;
    const { reporter, rules, progress } = this.#options;
    progress.stepAside();
    if (event.type === 'started') {
      rules.started(event.index);
      await reporter.started(event.index);
    } else if (event.type === 'output') await reporter.wrote(event.index, event.stream, event.data);
    else await this.#finished(event.index, event.result);
    this.#showProgress(false);
  }

  async #finished(index: number, result: CommandResult): Promise<void> {
    const { reporter, rules, say } = this.#options;
    const planned = reporter.planned(index);
    planned.release();
    const line = shownText(planned.line);
    if (result.isTimedOut && hasFailed(result))
      say(`Warning: This job was killed because it timed out:\nWarning: ${line}`);
    await reporter.finished(index, result);
    const { said, reason } = rules.ended(index, result);
    if (said !== null) say(`This job ${said}:\n${line}`);
    if (reason === null || this.#halt.signal.aborted) return;
    this.#halt.abort(reason);
    this.#isOver = reason === 'now';
    if (reason === 'soon' && rules.running > 0)
      say(`Starting no more jobs. Waiting for ${rules.running} jobs to finish.`);
  }

  #showProgress(isLast: boolean): void {
    const { rules, progress, total } = this.#options;
    const known = total() ?? (this.#isInputOver ? this.#handedOver : null);
    progress.update({ completed: rules.completed, running: rules.running, total: known }, isLast);
  }
}

function howFar({ completed, running }: HaltRules): string {
  const were = running === 1 ? 'was' : 'were';
  return `${plural(completed, 'command')} had ended before, ${running} ${were} ended on the way.`;
}
