/** Options that do not go together, each pair with its sentence. */
import { UsageError } from '@hive/shared';
import type { OptionValues } from './option-parser.ts';
import { written } from './option-table.ts';

/** Names of options that exclude each other, and why. */
const EXCLUSIVE: readonly (readonly [one: string, other: string, why: string])[] = [
  ['group', 'ungroup', 'output is either grouped or not'],
  ['group', 'line-buffer', 'output is grouped either by task or by line'],
  ['ungroup', 'line-buffer', 'lines are kept whole or not'],
  ['results', 'line-buffer', 'with --results output goes to files'],
  ['pipe', 'bar', 'how many blocks there will be is not known before standard input has ended'],
  ['pipe', 'eta', 'how many blocks there will be is not known before standard input has ended'],
  ['pipe', 'no-run-if-empty', 'blocks are passed on as they are'],
  ['pipe', 'arg-file', 'blocks come from standard input; use < FILE'],
  ['pipe', 'col-sep', 'only values have columns, and with --pipe there are blocks'],
  ['pipe', 'retry-failed', 'the blocks are not in the job log'],
];

/** Options that mean something only with another one. */
const NEEDS: readonly (readonly [one: string, others: readonly string[], why: string])[] = [
  ['resume', ['joblog', 'results'], 'which hold what was done before'],
  ['resume-failed', ['joblog', 'results'], 'which hold what was done before'],
  ['retry-failed', ['joblog'], 'which holds what failed before'],
];

/** @throws UsageError */
export function checkCombinations(values: OptionValues): void {
  for (const [one, other, why] of EXCLUSIVE) {
    if (values.has(one) && values.has(other))
      throw new UsageError(`${written(one)} does not go with ${written(other)}: ${why}.`);
  }
  for (const [one, others, why] of NEEDS) {
    if (values.has(one) && !others.some((other) => values.has(other)))
      throw new UsageError(`${written(one)} needs ${others.map(written).join(' or ')}, ${why}.`);
  }
  const results = values.get('results')?.at(-1);
  if (results !== undefined && /\.(csv|tsv|json)$/i.test(results))
    throw new UsageError(
      `--results ${results}: tables are not supported: name a folder, or use --joblog.`,
      'notSupported',
    );
}
