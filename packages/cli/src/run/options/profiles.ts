/**
 * Options that do not stand on the command line: GNU parallel's own configuration files, --profile and $PARALLEL. Whoever
 * has an alias keeps them working.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '@hive/shared';
import { mergeOptions, type OptionValues, type ParsedOptions, parseOptions } from './option-parser.ts';

/** @throws UsageError as `parseOptions` does, and for a profile that cannot be read */
export function parseWithProfiles(args: readonly string[], env: NodeJS.ProcessEnv): ParsedOptions {
  const own = parseOptions(args);
  if (own.values.has('plain')) return own;
  const files = (own.values.get('profile') ?? []).map((profile) => profileWords(profile, env));
  const words = [files.length > 0 ? files.flat() : configWords(env), shellWords(env['PARALLEL'] ?? '')];
  const parsed = words.map((list) => parseOptions(list));
  const values: OptionValues[] = [...parsed.map((one) => one.values), own.values];
  return { values: mergeOptions(values), rest: [...parsed.flatMap((one) => one.rest), ...own.rest] };
}

function foldersOf(env: NodeJS.ProcessEnv): string[] {
  const xdg = [env['XDG_CONFIG_HOME'], ...(env['XDG_CONFIG_DIRS'] ?? '').split(':')];
  const folders = xdg.flatMap((folder) => (folder ? [join(folder, 'parallel')] : []));
  const home = env['HOME'] ? [join(env['HOME'], '.parallel')] : [];
  return [...(env['PARALLEL_HOME'] ? [env['PARALLEL_HOME']] : []), ...folders, ...home];
}

function configWords(env: NodeJS.ProcessEnv): string[] {
  const files = ['/etc/parallel/config', ...foldersOf(env).map((folder) => join(folder, 'config'))];
  if (env['HOME']) files.push(join(env['HOME'], '.parallelrc'));
  return files.flatMap((file) => wordsIn(file) ?? []);
}

function profileWords(profile: string, env: NodeJS.ProcessEnv): string[] {
  const isPath = /^\.?\//.test(profile);
  const files = isPath ? [profile] : foldersOf(env).map((folder) => join(folder, profile));
  for (const file of files) {
    const words = wordsIn(file);
    if (words !== null) return words;
  }
  throw new UsageError(`The profile ${profile} is not there: looked for ${files.join(', ')}.`, 'badProfile');
}

function wordsIn(file: string): string[] | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  return text.split('\n').flatMap((line) => (/^\s*#/.test(line) ? [] : shellWords(line)));
}

/** Words as a shell would split them; nothing is expanded. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  const word = /(?:[^\s"'\\]+|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs;
  const part = /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"'\\]+)/gs;
  for (const [written] of text.matchAll(word)) {
    words.push(
      written.replace(part, (_, escaped, double, single, plain) =>
        double === undefined ? (escaped ?? single ?? plain) : double.replace(/\\(.)/gs, '$1'),
      ),
    );
  }
  return words;
}
