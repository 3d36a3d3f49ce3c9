/**
 * GNU parallel's command line: options first, bundled or abbreviated; the first word that is none begins the command,
 * which is taken as it stands until a separator (`:::`).
 *
 * yargs was tried (`halt-at-non-option`) and cannot do it: it strips quotes off values, takes a value that begins with a
 * hyphen (`-j -2`, `--recend --`) for an option, and knows no abbreviations. The grammar is that of Perl's Getopt::Long
 * with `bundling` and `require_order`.
 */
import { nearest, UsageError } from '@hive/shared';
import { OPTIONS, type OptionEntry, OWN_OPTIONS, written } from './option-table.ts';

/** The values of what was given, by the option's first name. A flag has the value ''. */
export type OptionValues = ReadonlyMap<string, readonly string[]>;

export interface ParsedOptions {
  readonly values: OptionValues;
  /** What follows the options: command, separators, arguments. */
  readonly rest: readonly string[];
}

const BY_NAME: ReadonlyMap<string, OptionEntry> = new Map(
  OPTIONS.flatMap((entry) => entry.names.map((name): [string, OptionEntry] => [name, entry])),
);
const OWN_BY_NAME: ReadonlyMap<string, OptionEntry> = new Map(
  OWN_OPTIONS.map((entry) => [entry.names[0], entry]),
);
const LONG_NAMES = [...BY_NAME.keys()].filter((name) => name.length > 1);

/** @throws UsageError for what is unknown, ambiguous, without its value, or not supported, each by its name */
export function parseOptions(args: readonly string[]): ParsedOptions {
  const values = new Map<string, string[]>();
  const left = [...args];
  while (left.length > 0) {
    const word = left[0]!;
    if (word === '--') {
      left.shift();
      break;
    }
    if (!word.startsWith('-') || word === '-') break;
    left.shift();
    if (word.startsWith('--')) takeLong(word.slice(2), left, values);
    else takeBundle(word.slice(1), left, values);
  }
  return { values, rest: left };
}

/** Later options win, as those of the command line do over those of a profile. */
export function mergeOptions(all: readonly OptionValues[]): OptionValues {
  const merged = new Map<string, readonly string[]>();
  for (const values of all) {
    for (const [name, given] of values) {
      const before = entryOf(name).isList ? (merged.get(name) ?? []) : [];
      merged.set(name, [...before, ...given]);
    }
  }
  return merged;
}

function takeLong(text: string, left: string[], values: Map<string, string[]>): void {
  const equals = text.indexOf('=');
  const name = equals === -1 ? text : text.slice(0, equals);
  const entry = findLong(name);
  const attached = equals === -1 ? null : text.slice(equals + 1);
  if (attached !== null && entry.takes === 'nothing') {
    refuseIfUnsupported(entry, name);
    throw new UsageError(`${written(name)} takes no value, so it cannot be written with "=".`);
  }
  add(entry, name, givenValue(entry, name, attached, left), values);
}

/** `-kj4`: letters until one takes a value, which is the rest or the next word. */
function takeBundle(text: string, left: string[], values: Map<string, string[]>): void {
  for (let at = 0; at < text.length; at++) {
    const name = text[at]!;
    const entry = BY_NAME.get(name);
    if (entry === undefined)
      throw new UsageError(`-${name} is not an option of "hive run". See "hive run --help".`);
    if (entry.takes === 'nothing') {
      add(entry, name, '', values);
      continue;
    }
    const rest = text.slice(at + 1);
    if (entry.takes === 'maybeNumber' && !/^=?[+-]?\d/.test(rest) && rest !== '') {
      add(entry, name, '', values);
      continue;
    }
    const attached = rest === '' ? null : rest.replace(/^=/, '');
    add(entry, name, givenValue(entry, name, attached, left), values);
    return;
  }
}

const entryOf = (name: string) => BY_NAME.get(name) ?? OWN_BY_NAME.get(name)!;

/** Exact first, then the beginning of just one option, whatever the case of its letters. */
function findLong(name: string): OptionEntry {
  const exact = BY_NAME.get(name) ?? BY_NAME.get(name.toLowerCase()) ?? OWN_BY_NAME.get(name);
  if (exact !== undefined) return exact;
  const beginning = name.toLowerCase();
  const candidates = LONG_NAMES.filter((known) => known.toLowerCase().startsWith(beginning));
  const entries = new Set(candidates.map((candidate) => BY_NAME.get(candidate)!));
  if (entries.size === 1) return [...entries][0]!;
  if (entries.size > 1) {
    const names = [...entries].map((entry) => written(entry.names[0])).join(', ');
    throw new UsageError(`--${name} could be ${names}: write more of it.`);
  }
  const near = nearest(name, [...LONG_NAMES, ...OWN_BY_NAME.keys()])[0];
  const hint = near === undefined ? 'See "hive run --help".' : `Did you mean --${near}?`;
  throw new UsageError(`--${name} is not an option of "hive run". ${hint}`);
}

function givenValue(entry: OptionEntry, name: string, attached: string | null, left: string[]): string {
  if (entry.takes === 'nothing') return '';
  if (entry.takes === 'attachedText') return attached ?? '';
  if (entry.takes === 'maybeText') return attached ?? takeIf(left, (word) => !word.startsWith('-'));
  if (entry.takes === 'maybeNumber')
    return attached ?? takeIf(left, (word) => /^[+-]?\d+(\.\d*)?$/.test(word));
  const value = attached ?? left.shift();
  if (value === undefined) {
    refuseIfUnsupported(entry, name);
    throw new UsageError(`${written(name)} needs a value after it.`);
  }
  if (entry.takes === 'integer' && !/^[+-]?\d+$/.test(value))
    throw new UsageError(`${written(name)} takes a whole number, not "${value}".`);
  return value;
}

function takeIf(left: string[], isValue: (word: string) => boolean): string {
  return left[0] !== undefined && isValue(left[0]) ? left.shift()! : '';
}

function add(entry: OptionEntry, name: string, value: string, values: Map<string, string[]>): void {
  refuseIfUnsupported(entry, name);
  const key = entry.names[0];
  if (entry.isList) values.set(key, [...(values.get(key) ?? []), value]);
  else values.set(key, [value]);
}

function refuseIfUnsupported(entry: OptionEntry, name: string): void {
  if (entry.standing !== 'refused') return;
  const known = entry.names.includes(name) ? name : entry.names[0];
  throw new UsageError(`${written(known)} of GNU parallel is not supported: ${entry.note}.`, 'notSupported');
}
