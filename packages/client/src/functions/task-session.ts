/**
 * The client of a task that submits work: a session with the token of the task's lease. Internal: the Drone's threads load it,
 * and give tasks a smaller face of it, `context.hive`.
 */
import { type JobId, type LeaseNumber, UsageError } from '@hive/shared';
import { type Access, parseKey, randomPeerId } from '@hive/shared/node';
import { Hive } from '../hive.ts';
import type { SpecOptions } from '../options.ts';
import { Router } from '../router.ts';
import { finderFor } from '../search.ts';
import { defined, type Target, type Targets } from './functions.ts';
import { isFolding, reduceOf } from './reducer.ts';

/** The way to the Queen, and the lease in whose name the session is. */
export interface TaskLine {
  /** `host:port` */
  readonly queen: string;
  /** The Drone's key, as a line; null: none is needed. */
  readonly key: string | null;
  readonly isForced: boolean;
  readonly job: JobId;
  readonly lease: LeaseNumber;
  readonly token: Uint8Array;
}
/** What a job that runs a task is made of. */
export interface TaskSpec {
  readonly params: Readonly<Record<string, unknown>>;
  readonly blobs: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly concurrency?: number;
}

const TIMEOUT_MILLIS = 10_000;

/**
 * @internal
 * @param specOf what the job of a task is made of; throws what the task shall see when it cannot be submitted
 * @throws UsageError 'noQueen' when the Queen does not answer, or does not let the task in
 */
export async function connectTask(line: TaskLine, specOf: (target: unknown) => TaskSpec): Promise<Hive> {
  const { queen, key, isForced, job, lease, token } = line;
  const own = key === null ? null : parseKey(key, "The Drone's key");
  const access = (): Access => (own === null ? { kind: 'insecure', isForced } : { kind: 'key', key: own });
  const who = { peer: randomPeerId(), name: `a task of ${job}`, access, task: { job, lease, token } };
  const router = new Router(finderFor({ queen, discoveryPort: 0 }, access), who, true);
  await router.open(TIMEOUT_MILLIS);
  return new Hive(router, async () => {}, null, new TaskTargets(specOf));
}

class TaskTargets implements Targets {
  readonly #specOf: (target: unknown) => TaskSpec;
  readonly #numbers = new Map<unknown, number>();

  constructor(specOf: (target: unknown) => TaskSpec) {
    this.#specOf = specOf;
  }

  keyOf(target: Target): string {
    let number = this.#numbers.get(target);
    if (number === undefined) {
      number = this.#numbers.size + 1;
      this.#numbers.set(target, number);
    }
    return `task ${number}`;
  }

  async optionsOf<T extends SpecOptions>(target: Target, options: T): Promise<T & { kind: string }> {
    if (options.encoding !== undefined && options.encoding !== 'hive-js') {
      throw new UsageError('A function takes any value of JavaScript: leave its encoding out.', 'badOption');
    }
    const { params, blobs, labels, concurrency } = this.#specOf(target);
    const folds = isFolding(options.reduce) ? this.#specOf(options.reduce) : null;
    const {
      concurrency: wished = concurrency,
      maxCallsPerThread,
      memoryMiB,
      params: common,
      ...rest
    } = options;
    const given = { concurrency: wished, maxCallsPerThread, memoryMiB, params: common };
    return {
      ...rest,
      kind: 'function',
      encoding: 'hive-js' as const,
      ...(wished === undefined ? {} : { concurrency: wished }),
      ...(folds === null ? {} : { reduce: reduceOf(folds.params) }),
      // Both are of one file, as a rule.
      blobs: [...new Set([...blobs, ...(folds?.blobs ?? []), ...(options.blobs ?? [])])],
      labels: { ...options.labels, ...labels, ...folds?.labels },
      params: { ...params, ...defined(given) },
    } as unknown as T & { kind: string };
  }
}
