/** The options of `hive hash`, and which of them go together, as those of `sha256sum` do. */
import { UsageError } from '@hive/shared';
import type { JobOptionArguments } from '../job/options.ts';
import { CLIENT_OPTIONS, type ClientArguments } from '../options.ts';
import type { CheckOptions } from './check-work.ts';

export interface HashArguments extends ClientArguments, JobOptionArguments {
  readonly _: readonly (string | number)[];
  readonly algorithm: string;
  readonly recursive: boolean;
  readonly lines: boolean;
  readonly range?: string | undefined;
  readonly binary: boolean;
  readonly text: boolean;
  readonly tag: boolean;
  readonly zero: boolean;
  readonly json: boolean;
  readonly check: boolean;
  readonly quiet: boolean;
  readonly status: boolean;
  readonly strict: boolean;
  readonly warn: boolean;
  readonly ignoreMissing: boolean;
}

const flag = (describe: string, alias?: string) =>
  ({ type: 'boolean', default: false, describe, ...(alias === undefined ? {} : { alias }) }) as const;

export const HASH_OPTIONS = {
  ...CLIENT_OPTIONS,
  algorithm: {
    alias: 'a',
    type: 'string',
    requiresArg: true,
    default: 'sha256',
    describe: 'Any that Node knows',
  },
  recursive: flag('Hash the files in folders too', 'r'),
  lines: flag('Hash every line of the files: one digest per line'),
  range: {
    type: 'string',
    requiresArg: true,
    describe: 'START..END[..STEP]: hash these integers as text, both ends included; one digest per line',
  },
  binary: flag('Mark names with *, as sha256sum -b does; bytes are read as they are either way', 'b'),
  text: flag('Mark names with a space (the default)', 't'),
  tag: flag('BSD-style lines'),
  zero: flag('End lines with NUL; escape no names', 'z'),
  json: flag('One JSON object per line, errors included'),
  check: flag('Check the files that lists of digests name', 'c'),
  quiet: flag('With --check: no OK lines'),
  status: flag('With --check: nothing but the exit code'),
  strict: flag('With --check: malformed lines are a failure'),
  warn: flag('With --check: say which lines are malformed', 'w'),
  'ignore-missing': flag('With --check: pass over files that are not there'),
} as const;

/** @throws UsageError about options that contradict each other */
export function checkArguments(argv: HashArguments): void {
  if (argv.check) checkChecking(argv);
  else checkPrinting(argv);
  if (argv.lines && argv.recursive)
    throw new UsageError('--lines takes files, so it does not go with --recursive.');
  if (argv.lines && (argv.tag || argv.binary || argv.text))
    throw new UsageError('--lines prints digests only, so it does not go with --tag, -b or -t.');
  const isRange = argv.range !== undefined;
  if (isRange && (argv.lines || argv.recursive || argv.tag || argv.binary || argv.text || argv._.length > 1))
    throw new UsageError(
      '--range hashes integers, so it goes with no files, nor with --lines, -r, -b, -t or --tag.',
    );
  if (argv.json && (argv.tag || argv.binary || argv.text))
    throw new UsageError('--json has a form of its own, so it does not go with --tag, -b or -t.');
}

function checkPrinting(argv: HashArguments): void {
  for (const name of ['quiet', 'status', 'strict', 'warn', 'ignoreMissing'] as const) {
    const written = name === 'ignoreMissing' ? 'ignore-missing' : name;
    if (argv[name]) throw new UsageError(`--${written} says how to check, so it needs --check.`);
  }
  if (argv.tag && argv.text) throw new UsageError('--tag does not go with --text.');
}

function checkChecking(argv: HashArguments): void {
  const others = { lines: argv.lines, range: argv.range !== undefined, recursive: argv.recursive };
  const forms = { tag: argv.tag, zero: argv.zero, binary: argv.binary, text: argv.text };
  for (const [name, isGiven] of Object.entries({ ...others, ...forms })) {
    if (isGiven) throw new UsageError(`--check takes lists of digests, so it does not go with --${name}.`);
  }
}

/** The most silent of the three wins, in whatever order they were written. */
export function checkOptionsOf(argv: HashArguments): CheckOptions {
  const { status, quiet, warn, strict, ignoreMissing, json } = argv;
  return {
    isSilent: status,
    isQuiet: quiet,
    warns: warn && !status,
    isStrict: strict,
    ignoresMissing: ignoreMissing,
    isJson: json,
  };
}
