/** How results are folded, as a person writes it: `sum`, `max:size`, `top:10`, `top:10:size`, `words.task.ts#merge`, `#merge`. */
import type { ReducerFile, ReduceWith } from '@hive/client';
import { UsageError } from '@hive/shared';
import { taskFile } from './task-file.ts';

/** Of the task's own file. */
const OWN_EXPORT = /^#[\w$]+$/;
const REDUCER_FILE = /\.[cm]?[jt]sx?(?:#[\w$]+)?$/;
const PLAIN = ['count', 'sum', 'concat'] as const;
const COMPARING = ['min', 'max', 'merge'] as const;
export const REDUCE_HELP =
  'Fold all results into one on the Drones: count, sum, concat, min, max, merge, top:K; of objects max:NAME, top:K:NAME; or with a function: words.task.ts#merge';

/** @throws UsageError 'badReduce' */
export function parseReduce(written: string): ReduceWith {
  if (OWN_EXPORT.test(written)) return written as ReducerFile;
  if (REDUCER_FILE.test(written)) return taskFile(written) as ReducerFile;
  const [op, ...rest] = written.split(':');
  const plain = PLAIN.find((name) => name === op);
  if (plain !== undefined && rest.length === 0) return plain;
  const comparing = COMPARING.find((name) => name === op);
  if (comparing !== undefined && rest.length <= 1) return { op: comparing, ...byOf(rest[0]) };
  const k = Number(rest[0]);
  if (op === 'top' && Number.isSafeInteger(k) && k > 0 && rest.length <= 2) {
    return { op: 'top', k, ...byOf(rest[1]) };
  }
  throw new UsageError(
    `"${written}" is no way to fold results. Write count, sum, concat, min, max, merge or top:10; for objects also the name of what is compared: max:size, top:10:size. For a reducer of your own, words.task.ts#merge.`,
    'badReduce',
  );
}

const byOf = (name: string | undefined): { by?: string } => (name === undefined ? {} : { by: name });
