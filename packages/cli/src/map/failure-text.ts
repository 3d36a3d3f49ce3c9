/** What `hive map` says of a task that did not succeed, in one line. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TaskResult } from '@hive/client';
import { wordsOf } from '../job/result-lines.ts';

/** @param origin where its input stands, if that is known */
export function failureText({ index, outcome, error }: TaskResult, origin: string | null): string {
  const input = origin === null ? '' : ` (${origin})`;
  const { thrown, message } = error!;
  const name = thrown instanceof Error && thrown.name !== 'Error' ? `${thrown.name}: ` : '';
  return `task ${index}${input} ${wordsOf(outcome)}: ${name}${message}${placeOf(thrown)}`;
}

/** `at name (/folder/file.ts:1:2)` or `at /folder/file.ts:1:2`; frames of Node itself have no folder. */
const FRAME = /^\s+at (?:.*\()?((?:file:|[A-Za-z]:)?[\\/][^()]+):(\d+:\d+)\)?$/m;

/** ` (resize.task.ts:12:9)`: where in the caller's files a function threw; nothing where that is not known. */
function placeOf(thrown: unknown): string {
  const [, file, position] = FRAME.exec((thrown instanceof Error && thrown.stack) || '') ?? [];
  if (file === undefined) return '';
  const path = file.startsWith('file:') ? fileURLToPath(file) : file;
  return ` (${relative(process.cwd(), path)}:${position})`;
}
