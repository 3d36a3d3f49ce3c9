import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseOptions } from './option-parser.ts';
import { GNU_VERSION, OPTIONS, written } from './option-table.ts';

const parsed = (...args: string[]) => {
  const { values, rest } = parseOptions(args);
  return { values: Object.fromEntries(values), rest };
};

describe('a command line', () => {
  test('ends its options at the first word that is none, whatever follows', () => {
    expect(parsed('-k', 'grep', '-v', '--jobs', ':::', '-k')).toEqual({
      values: { 'keep-order': [''] },
      rest: ['grep', '-v', '--jobs', ':::', '-k'],
    });
    expect(parsed('-k', '--', '-v')).toEqual({ values: { 'keep-order': [''] }, rest: ['-v'] });
    expect(parsed('-k', '-')).toEqual({ values: { 'keep-order': [''] }, rest: ['-'] });
  });

  test('bundles letters, with the value of the last one attached or next', () => {
    const expected = { values: { 'keep-order': [''], jobs: ['4'] }, rest: ['echo'] };
    expect(parsed('-kj4', 'echo')).toEqual(expected);
    expect(parsed('-kj', '4', 'echo')).toEqual(expected);
    expect(parsed('-k', '-j=4', 'echo')).toEqual(expected);
    expect(parsed('-kP4', 'echo')).toEqual(expected);
  });

  test('takes any word as a value, one that begins with a hyphen included', () => {
    expect(parsed('-j', '-1', '--recend', '--', '--colsep', "'", '-d', '-')).toEqual({
      values: { jobs: ['-1'], recend: ['--'], 'col-sep': ["'"], delimiter: ['-'] },
      rest: [],
    });
  });

  test('knows beginnings of options, in any case, if only one begins like that', () => {
    expect(parsed('--keep', '--DRYR').values).toEqual({ 'keep-order': [''], 'dry-run': [''] });
    expect(() => parsed('--jo', '4')).toThrow('--jo could be --joblog, --jobs: write more of it.');
  });

  test('adds up what may be given more than once; of the rest the last one counts', () => {
    expect(parsed('-a', 'x', '--arg-file=y', '-j1', '-j2').values).toEqual({
      'arg-file': ['x', 'y'],
      jobs: ['2'],
    });
  });

  test('has values that need not be there', () => {
    expect(parsed('-l', 'echo')).toEqual({ values: { 'max-lines': [''] }, rest: ['echo'] });
    expect(parsed('-l3', 'echo')).toEqual({ values: { 'max-lines': ['3'] }, rest: ['echo'] });
    expect(parsed('-i{}', 'echo')).toEqual({ values: { replace: ['{}'] }, rest: ['echo'] });
    expect(parsed('-lk', 'echo')).toEqual({
      values: { 'max-lines': [''], 'keep-order': [''] },
      rest: ['echo'],
    });
  });

  test('has options of our own, which take no beginning from those of GNU parallel', () => {
    expect(parsed('--local', '--insecure', '--queen', 'hive:1', 'echo').values).toEqual({
      local: [''],
      insecure: [''],
      queen: ['hive:1'],
    });
    expect(parsed('--insecure=yes-really', 'echo').values).toEqual({ insecure: ['yes-really'] });
    expect(parsed('--q', 'echo').values).toEqual({ quote: [''] });
    expect(() => parsed('--loca', 'echo')).toThrow('Did you mean --local?');
  });

  test('says what is wrong with it', () => {
    expect(() => parsed('--joblg', 'x')).toThrow(
      '--joblg is not an option of "hive run". Did you mean --joblog?',
    );
    expect(() => parsed('-y')).toThrow('-y is not an option of "hive run". See "hive run --help".');
    expect(() => parsed('--jobs')).toThrow('--jobs needs a value after it.');
    expect(() => parsed('--keep-order=yes')).toThrow('--keep-order takes no value');
    expect(() => parsed('--minversion', 'x')).toThrow('--minversion takes a whole number, not "x".');
  });
});

describe('the list of options', () => {
  test('refuses what is not supported under every one of its names, and says why', () => {
    for (const { names, note, takes, standing } of OPTIONS) {
      if (standing !== 'refused') continue;
      expect(note).not.toBe('');
      for (const name of names) {
        const args = takes === 'nothing' ? [written(name)] : [written(name), '1'];
        expect(() => parseOptions(args)).toThrow(
          `${written(name)} of GNU parallel is not supported: ${note}.`,
        );
      }
    }
  });

  test('has no name twice', () => {
    const names = OPTIONS.flatMap((option) => option.names);
    expect(names.length).toBe(new Set(names).size);
  });

  const program = spawnSync('which', ['parallel'], { encoding: 'utf8' }).stdout.trim();
  const installed = program === '' ? '' : readFileSync(program, 'latin1');
  if (!installed.includes(`version = ${GNU_VERSION};`))
    console.warn(`skipped: GNU parallel ${GNU_VERSION} is not installed`);
  const ifInstalled = installed.includes(`version = ${GNU_VERSION};`) ? test : test.skip;

  ifInstalled('has every option of the installed GNU parallel, with the same kind of value', () => {
    const list = /sub options_completion_hash\(\) \{(.*?)\n\}/s.exec(installed)![1]!;
    const code = list
      .replace(/^\s*#.*$/gm, '')
      .replace(/["']\s*\.\s*["']/g, '')
      .replace(/\[[^\]]*(?:\[[^\]]*\][^\]]*)*\][^"']*(?=["'])/g, '');
    const specs = [...code.matchAll(/["']([\w][\w|-]*)((?:[=:][sif])?)["']\s*(?:\.[^=]*?)?\s*=>/g)];
    const theirs = new Map(
      specs.flatMap(([, names, sign]) => names!.split('|').map((name) => [name, sign!] as const)),
    );
    const ours = new Map(
      OPTIONS.flatMap((option) => option.names.map((name) => [name, option.takes] as const)),
    );
    const signs = {
      nothing: '',
      text: '=s',
      integer: '=i',
      maybeText: ':s',
      maybeNumber: ':f',
      attachedText: null,
    };
    const wrong = [...theirs].filter(([name, sign]) => {
      const takes = ours.get(name);
      return takes === undefined || (signs[takes] !== sign && !(takes === 'text' && sign === '=f'));
    });
    expect(theirs.size).toBeGreaterThan(200);
    expect(wrong).toEqual([]);
  });
});
