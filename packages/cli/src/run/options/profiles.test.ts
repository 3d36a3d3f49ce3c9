import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { parseWithProfiles, shellWords } from './profiles.ts';

const home = mkdtempSync(join(tmpdir(), 'hive-profiles-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
mkdirSync(join(home, '.parallel'));
writeFileSync(join(home, '.parallel/config'), '# mine\n-k --tag\n');
writeFileSync(join(home, '.parallel/fast'), '-j8 nice\n');

const parsed = (args: string[], env: NodeJS.ProcessEnv = {}) => {
  const { values, rest } = parseWithProfiles(args, { HOME: home, ...env });
  return { values: Object.fromEntries(values), rest };
};

test('options come from the configuration, then $PARALLEL, then the command line, and the last one counts', () => {
  expect(parsed(['-j2', 'echo'], { PARALLEL: "-j4 --tagstring 'a b'" })).toEqual({
    values: { 'keep-order': [''], tag: [''], jobs: ['2'], 'tag-string': ['a b'] },
    rest: ['echo'],
  });
});

test('a profile stands in for the configuration, and may hold the beginning of the command', () => {
  expect(parsed(['-J', 'fast', 'echo'])).toEqual({
    values: { jobs: ['8'], profile: ['fast'] },
    rest: ['nice', 'echo'],
  });
  expect(() => parsed(['-J', 'gone', 'echo'])).toThrow('The profile gone is not there');
});

test('--plain takes only the command line', () => {
  expect(parsed(['--plain', 'echo'], { PARALLEL: '-j4' })).toEqual({
    values: { plain: [''] },
    rest: ['echo'],
  });
});

test('words are split as a shell would', () => {
  expect(shellWords(` a 'b c' "d \\"e\\"" f\\ g h'i'"j" '' `)).toEqual([
    'a',
    'b c',
    'd "e"',
    'f g',
    'hij',
    '',
  ]);
});
