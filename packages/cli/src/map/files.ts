/** From what a person named to files: names as they stand, and patterns that the shell has left alone. */
import { existsSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { UsageError } from '@hive/shared';
import { STANDARD_INPUT } from './format.ts';

const PATTERN = /[*?[{]/;

/** In the order in which they were named, those of a pattern sorted. @throws UsageError 'noInputs' when one has no file */
export async function* filesOf(named: readonly string[]): AsyncGenerator<string> {
  for (const name of named) {
    if (name === STANDARD_INPUT || !PATTERN.test(name) || existsSync(name)) yield name;
    else yield* await matching(name);
  }
}

async function matching(pattern: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of glob(pattern, { withFileTypes: true })) {
    if (!entry.isDirectory()) found.push(`${entry.parentPath}/${entry.name}`);
  }
  if (found.length === 0) throw new UsageError(`No file matches ${pattern}.`, 'noInputs');
  return found.sort();
}
