/**
 * HIVE_KEY, HIVE_KEY_FILE and HIVE_INSECURE. The key is taken out of the environment when it is first asked for, so that
 * nothing that this process starts (threads, commands, other programs) inherits it.
 */
import { UsageError } from '../../errors.ts';
import { parseKey } from './key-line.ts';
import type { PeerKey } from './peer-key.ts';
import { readPrivateFile } from './private-file.ts';

let taken: string | undefined;

/** Takes HIVE_KEY out of the environment. Programs do so before they start anything. */
export function hideKey(): void {
  const text = process.env['HIVE_KEY'];
  if (text === undefined) return;
  delete process.env['HIVE_KEY'];
  if (text.trim() !== '') taken = text;
}

/** The key that the environment names: HIVE_KEY, else the file HIVE_KEY_FILE. Null when it names none. @throws UsageError */
export function keyOfEnvironment(): PeerKey | null {
  hideKey();
  if (taken !== undefined) return parseKey(taken, 'HIVE_KEY');
  const path = process.env['HIVE_KEY_FILE'];
  if (path === undefined || path === '') return null;
  const text = readPrivateFile(path);
  if (text === null) throw new UsageError(`There is no file ${path}, which HIVE_KEY_FILE names.`, 'noKey');
  return parseKey(lineOf(text), `The file ${path}, which HIVE_KEY_FILE names,`);
}

/** The first line that is no comment. */
const lineOf = (text: string): string =>
  text.split('\n').find((line) => line.trim() !== '' && !line.trim().startsWith('#')) ?? '';

/** Plain TCP without keys: `true` on loopback only, `yes-really` anywhere. */
export type Insecure = boolean | 'yes-really';

/** @throws UsageError when the text is neither nothing, a yes or a no */
export function parseInsecure(text: string | undefined, source: string): Insecure {
  if (text === undefined || ['0', 'no', 'false'].includes(text)) return false;
  if (['', '1', 'yes', 'true'].includes(text)) return true;
  if (text === 'yes-really') return text;
  throw new UsageError(
    `${source} is given without a value, or as "yes-really"; not as "${text}".`,
    'badOption',
  );
}

export function insecureOfEnvironment(): Insecure {
  const text = process.env['HIVE_INSECURE'];
  return text === '' ? false : parseInsecure(text, 'HIVE_INSECURE');
}
