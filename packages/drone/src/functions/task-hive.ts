/**
 * `context.hive`: a task submits work and waits for it (ADR 21). The session is opened when something is submitted first,
 * and ends with the task, and what has not ended by then ends with it.
 *
 * A task that awaits what it has submitted gives its slot away. Invariant: its code runs on only when the slot is its own
 * again, so nothing that was awaited here settles before that.
 */
import { TaskFailure } from '../kinds/failure.ts';
import type { Nesting, Resting } from '../kinds/kind.ts';
import { loadClient, type TaskClient, type TaskSpec } from './client.ts';
import { Deferral } from './deferral.ts';
import type { FunctionParams } from './params.ts';
import { TASK_MARK, type TaskSettings } from './task-module.ts';
import { ThrownError } from './thrown.ts';

type Source = Pick<FunctionParams, 'module' | 'name' | 'file'>;
/** A task that the file itself exports, or a reducer, which has no settings; null: it is none. */
type Exported = (target: unknown) => { readonly name: string; readonly settings: TaskSettings } | null;

interface Marked {
  readonly [TASK_MARK]?: { readonly settings: TaskSettings };
}

/** Finds what is meant among the exports of a module that is loaded here. */
export const exportedBy =
  (exports: Readonly<Record<string, unknown>>): Exported =>
  (target) => {
    const name = Object.keys(exports).find((key) => exports[key] === target);
    if (name === undefined || typeof target !== 'object') return null;
    return { name, settings: (target as Marked)[TASK_MARK]?.settings ?? {} };
  };

export class TaskHive {
  readonly #nesting: Nesting;
  readonly #source: Source;
  readonly #exported: Exported;
  readonly #rest: Rest;
  #client: Promise<TaskClient> | null = null;
  #isOver = false;
  /** The task is cancelled: it gets no answers. */
  readonly #cancelled = new Deferral<never>();

  constructor(nesting: Nesting, source: Source, exported: Exported, signal: AbortSignal) {
    const cancel = () => {
      this.#cancelled.reject(signal.reason);
      this.#close();
    };
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
    this.#nesting = nesting;
    this.#source = source;
    this.#exported = exported;
    this.#rest = new Rest(nesting);
  }

  // Getters, so that a task may take them apart: ({ hive: { map } }) => …

  get call(): (target: unknown, input: unknown, options?: object) => Promise<unknown> {
    return (target, input, options) => this.#ask((client) => client.call(target, input, options));
  }

  get map(): (target: unknown, inputs: unknown, options?: object) => Promise<unknown> {
    return (target, inputs, options) => this.#ask((client) => client.map(target, inputs, options));
  }

  get range(): (start: number, end: number, target: unknown, options?: object) => Promise<unknown> {
    return (start, end, target, options) => this.#ask((client) => client.range(start, end, target, options));
  }

  /** The task has ended. */
  end(): void {
    this.#isOver = true;
    this.#rest.end();
    this.#close();
  }

  #close(): void {
    // The Queen ends what is left, too; a session that cannot be closed well is no failure of anybody's.
    this.#client?.then((client) => client.close()).catch(() => {});
  }

  #ask(question: (client: TaskClient) => PromiseLike<unknown>): Promise<unknown> {
    if (this.#isOver)
      throw new TaskFailure('tooLate', 'The task has ended; it cannot submit anything any more.');
    this.#client ??= this.#open();
    return new Answer(Promise.race([this.#client.then(question), this.#cancelled.promise]), this.#rest);
  }

  async #open(): Promise<TaskClient> {
    const [{ connectTask }, line] = await Promise.all([loadClient(), this.#nesting.pass()]);
    const client = await connectTask(line, (target) => this.#specOf(target));
    if (this.#isOver) await client.close();
    return client;
  }

  /** Of a task, or a reducer. A bundle does not travel on from here: what is submitted is in the same one, or registered. */
  #specOf(target: unknown): TaskSpec {
    const { registered, export: own } = (target ?? {}) as { registered?: unknown; export?: unknown };
    if (typeof registered === 'string') {
      const params = { name: registered, ...(typeof own === 'string' ? { export: own } : {}) };
      return { params, blobs: [], labels: { [`task:${registered}`]: 'yes' } };
    }
    const found = this.#exported(target);
    if (found === null) {
      const what = typeof target === 'string' ? `"${target}"` : 'This';
      throw new ThrownError(
        new TypeError(
          `${what} cannot be submitted by a task of ${this.#source.file}: give a task that this file exports (export { other } from './other.task.ts'), a registered one, or the name of a kind.`,
        ),
      );
    }
    const { module, name: registeredAs, file } = this.#source;
    const { concurrency } = found.settings;
    return {
      params: { ...(module === null ? { name: registeredAs } : { module, file }), export: found.name },
      blobs: module === null ? [] : [module],
      labels: module === null ? { [`task:${registeredAs}`]: 'yes' } : {},
      ...(concurrency === undefined ? {} : { concurrency }),
    };
  }
}

/** What was asked for. The task rests from when it is awaited, not from when it was asked for. */
class Answer implements Promise<unknown> {
  readonly [Symbol.toStringTag] = 'Promise';
  readonly #result: Promise<unknown>;
  readonly #rest: Rest;
  #awaited: Promise<unknown> | null = null;

  constructor(result: Promise<unknown>, rest: Rest) {
    this.#result = result;
    this.#rest = rest;
    // Who never awaits it does not want to know.
    result.catch(() => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: to be awaited is what it is for
  // biome-ignore lint/suspicious/noExplicitAny: as a Promise has it
  then(done?: ((value: any) => any) | null, failed?: ((error: any) => any) | null): Promise<any> {
    this.#awaited ??= this.#rest.until(this.#result);
    return this.#awaited.then(done, failed);
  }
  // biome-ignore lint/suspicious/noExplicitAny: as a Promise has it
  catch(failed?: ((error: any) => any) | null): Promise<any> {
    return this.then(undefined, failed);
  }
  finally(ended?: (() => void) | null): Promise<unknown> {
    return this.then().finally(ended);
  }
}

/** When a task waits for others, and when it may run on. */
class Rest {
  readonly #nesting: Nesting;
  /** Answers that the task awaits. */
  #awaited = 0;
  #isOver = false;
  #resting: Resting | null = null;
  /** It would run on. */
  #back: Promise<void> | null = null;
  /** The task may not wait, and cannot go on either. */
  readonly #refusal = new Deferral<never>();

  constructor(nesting: Nesting) {
    this.#nesting = nesting;
  }

  async until(result: Promise<unknown>): Promise<unknown> {
    this.#awaited++;
    this.#maybeRest();
    try {
      return await Promise.race([result, this.#refusal.promise]);
    } finally {
      this.#awaited--;
      await this.#mayRun();
      if (this.#awaited > 0) this.#maybeRest();
    }
  }

  end(): void {
    this.#isOver = true;
    this.#resting?.end();
  }

  /** When the code that awaits has come to its end: it may do something else first. */
  #maybeRest(): void {
    setImmediate(() => {
      if (this.#awaited === 0 || this.#isOver || this.#resting !== null || this.#back !== null) return;
      this.#resting = this.#nesting.rest();
      this.#resting.refused.catch((error: unknown) => {
        this.#refusal.reject(error);
      });
    });
  }

  async #mayRun(): Promise<void> {
    if (this.#resting !== null) {
      this.#back = this.#resting.goOn().finally(() => {
        this.#back = null;
      });
      this.#resting = null;
    }
    await this.#back;
  }
}
