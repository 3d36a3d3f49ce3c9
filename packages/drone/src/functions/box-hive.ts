/**
 * `context.hive` of a function in a sandbox: its process asks over the pipe, and the slot's thread, which has the session with the
 * Queen, submits in its name. The key never enters the sandbox.
 *
 * Invariant: code of the client's that a sandboxed task submits runs in the same sandbox, whatever its options say: else
 * whatever is in there could let itself out. What it says is checked like anything that a client says.
 */
import { TaskFailure } from '../kinds/failure.ts';
import type { KindSlot } from '../kinds/kind.ts';
import type { BoxAnswer } from './box-wire.ts';
import type { FunctionParams } from './params.ts';
import { TaskHive } from './task-hive.ts';
import { REDUCER_MARK, type TaskSettings } from './task-module.ts';

type Ask = Extract<BoxAnswer, { type: 'ask' }>;

/** Kinds that run what a client sends. */
const RUN_CODE: readonly unknown[] = ['command', 'function'];

/** Questions without an answer, and bytes of them. */
const ASKS_MAX = 100_000;
const ASKED_BYTES_MAX = 256 * 1024 * 1024;
const TOO_MUCH =
  'This task in a sandbox has submitted more than 256 MiB, or 100,000 times, without having the answers: await some of them before it submits more.';

/** A task or reducer that the module in the sandbox exports, as its process names it. */
interface Exported {
  readonly export: string;
  readonly settings: TaskSettings;
}

export class BoxHive {
  readonly #hive: TaskHive;
  readonly #wish: unknown;
  readonly #tell: (order: object) => void;
  /** That are not awaited yet. */
  readonly #answers = new Map<number, Promise<unknown>>();
  /** Bytes of the questions that have no answer yet, by number. */
  readonly #open = new Map<number, number>();
  #openBytes = 0;

  /**
   * @param wish the sandbox that this is, as jobs ask for it; where only the operator demands one, its level
   * @param tell says something to the process, while its call lasts
   */
  constructor(
    { nesting }: Pick<KindSlot, 'nesting'>,
    params: FunctionParams,
    wish: unknown,
    signal: AbortSignal,
    tell: (order: object) => void,
  ) {
    this.#hive = new TaskHive(nesting, params, exportedIn, signal);
    this.#wish = wish;
    this.#tell = tell;
  }

  /** @param bytes that the question takes, of which there is room for so many: who asks need not await answers */
  asked({ ask, method, args }: Ask, bytes: number): void {
    if (this.#open.size >= ASKS_MAX || this.#open.has(ask)) throw new TaskFailure('badOutput', TOO_MUCH);
    const isTooMuch = this.#openBytes + bytes > ASKED_BYTES_MAX;
    this.#open.set(ask, isTooMuch ? 0 : bytes);
    if (!isTooMuch) this.#openBytes += bytes;
    this.#answers.set(
      ask,
      isTooMuch ? refusal(new TaskFailure('tooMuchAsked', TOO_MUCH)) : this.#submitted(method, args),
    );
  }

  /** What cannot be submitted is an answer like any other. */
  #submitted(method: Ask['method'], args: readonly unknown[]): Promise<unknown> {
    try {
      return this.#submit(method, args);
    } catch (error) {
      return refusal(error);
    }
  }

  /** The task awaits this answer from now on. */
  awaited(ask: number): void {
    const answer = this.#answers.get(ask);
    this.#answers.delete(ask);
    answer?.then(
      (value: unknown) => this.#answer(ask, { value }),
      (error: unknown) => this.#answer(ask, { error: partsOf(error) }),
    );
  }

  #answer(ask: number, answer: object): void {
    this.#openBytes -= this.#open.get(ask) ?? 0;
    this.#open.delete(ask);
    this.#tell({ type: 'answer', ask, ...answer });
  }

  end(): void {
    this.#hive.end();
    this.#answers.clear();
    this.#open.clear();
    this.#openBytes = 0;
  }

  #submit(method: Ask['method'], args: readonly unknown[]): Promise<unknown> {
    const [first, second, third, fourth] = args;
    if (method === 'range')
      return this.#hive.range(first as number, second as number, third, this.#optionsFor(third, fourth));
    const options = this.#optionsFor(first, third);
    return method === 'call'
      ? this.#hive.call(first, second, options)
      : this.#hive.map(first, second, options);
  }

  #optionsFor(target: unknown, options: unknown): object {
    const { sandbox: _, reduce, ...rest } = (options ?? {}) as { sandbox?: unknown; reduce?: unknown };
    const isOwn = exportedIn(target) !== null || exportedIn(reduce) !== null;
    const runsCode = isOwn || RUN_CODE.includes(target);
    return {
      ...rest,
      ...(reduce === undefined ? {} : { reduce: reducerIn(reduce) }),
      ...(runsCode ? { sandbox: this.#wish } : {}),
    };
  }
}

function refusal(error: unknown): Promise<never> {
  const refused = Promise.reject(error);
  refused.catch(() => {});
  return refused;
}

/** What the process names; null: it is nothing of its module. */
function exportedIn(target: unknown): { readonly name: string; readonly settings: TaskSettings } | null {
  const { export: name, settings } = (target ?? {}) as Partial<Exported>;
  return typeof name === 'string' ? { name, settings: settings ?? {} } : null;
}

/**
 * With the mark by which the client knows a reducer; built-in ones have none.
 * @throws TypeError for one that names its module as the wire does: that would run without the sandbox
 */
function reducerIn(reduce: unknown): unknown {
  if (typeof reduce !== 'object' || reduce === null) return reduce;
  if ('export' in reduce) return { ...reduce, [REDUCER_MARK]: { run: null } };
  if (!('module' in reduce) && (reduce as { op?: unknown }).op !== 'function') return reduce;
  throw new TypeError(
    'A task in a sandbox folds with a reducer that its file exports, or with a built-in one.',
  );
}

/** An error as it can be put together again on the other side of the pipe. */
function partsOf(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error), own: {} };
  const { name, message, stack } = error;
  return { name, message, stack, own: { ...error } };
}
