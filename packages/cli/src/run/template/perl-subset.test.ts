import { expect, test } from '@jest/globals';
import { perlReplacement } from './perl-subset.ts';
import type { ReplacementContext } from './replacements.ts';

const CONTEXT: ReplacementContext = { seq: 7, slot: () => 2, total: () => 12, slots: 4 };
const changed = (code: string, value: string) => perlReplacement(code).apply(value, CONTEXT);

test('substitutions and transliterations change a value one after the other', () => {
  expect(changed(' s:\\.[^.]+$::;s:\\.[^.]+$::; ', 'foo.tar.gz')).toBe('foo');
  expect(changed('s/a/b/g; s{b}{c}', 'aa')).toBe('cb');
  expect(changed('s/(.)(.)/$2$1/', 'abc')).toBe('bac');
  expect(changed('s/(.)(.)/\\2\\1\\$&/', 'abc')).toBe('ba$&c');
  expect(changed('s/\\//_/g', 'a/b/c')).toBe('a_b_c');
  expect(changed('s,X,y,i', 'axb')).toBe('ayb');
  expect(changed('tr/a-c/A-B/', 'abcd')).toBe('ABBd');
  expect(changed('y/a-y/b-z/', 'hal')).toBe('ibm');
});

test('there are letters, numbers, and what GNU parallel knows', () => {
  expect(changed('$_ = uc($_)', 'aB')).toBe('AB');
  expect(changed('$_=lc($_);', 'aB')).toBe('ab');
  expect(changed('$_++', '9')).toBe('10');
  expect([
    changed('$_=seq()', 'x'),
    changed('$_=$job->slot()', 'x'),
    changed('$_=total_jobs()', 'x'),
  ]).toEqual(['7', '2', '12']);
  expect(perlReplacement('s/a/b/; uq()').isCode).toBe(true);
  expect(perlReplacement('$_=slot()').uses).toBe('slot');
});

test.each(['$_=`date`', 's/a/$x/', 's/a/b/e', 'if(/1/) { skip() }', 's/a/b', '$_=$arg[1]', 'tr/a/b/d'])(
  '%s is refused',
  (code) => {
    expect(() => perlReplacement(code)).toThrow(
      `{= ${code} =} is not supported: of Perl there are s///, tr///`,
    );
  },
);
