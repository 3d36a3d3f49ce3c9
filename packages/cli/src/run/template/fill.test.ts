/** What GNU parallel 20221122 prints for the same (recorded), so that it holds where that is not installed. */
import { expect, test } from '@jest/globals';
import { byteText } from '../byte-text.ts';
import { fill } from './fill.ts';
import { type ReplacementContext, replacementSigns } from './replacements.ts';
import { beginsWithValue, hasValues, TemplateParser } from './template.ts';

const CONTEXT: ReplacementContext = { seq: 7, slot: () => 2, total: () => 12, slots: 4 };

function filled(
  words: string[],
  values: (string | null)[],
  how: { repeats?: boolean; quotesWords?: boolean; plus?: boolean } = {},
) {
  const template = new TemplateParser(replacementSigns(new Map(), how.plus === true)).parse(
    words.map(byteText),
  );
  const quotesWords = how.quotesWords === true;
  const rules = { repeatsContext: how.repeats === true, quotesWords, quotesValues: !quotesWords };
  return fill(template, values, rules, CONTEXT);
}

test('signs become values, quoted', () => {
  expect(filled(['echo', '{}', '{.}', '{/}', '{//}', '{/.}'], ['a b/c.d.e'])).toBe(
    "echo 'a b/c.d.e' 'a b/c.d' c.d.e 'a b' c.d",
  );
  expect(filled(['{#}', '{%}', '{2}-{1}', '{-1}', '{3}x'], ['a', 'b'])).toBe('7 2 b-a b x');
});

test('only the sign is repeated for several values, or the word around it', () => {
  expect(filled(['x{}y', '{#}', 'z'], ['a', 'b'])).toBe('xa by 7 z');
  expect(filled(['x{}y', '{#}', 'z'], ['a', 'b'], { repeats: true })).toBe('xay xby 7 z');
  expect(filled(['x{1}y', 'p{}q r{.}s'], ['a', 'b.c'], { repeats: true })).toBe('xay paq pb.cq ras rbs');
});

test('with -q words are quoted whole, and nothing within', () => {
  expect(filled(['printf', '%s\\n', '{} x', ''], ["it's"], { quotesWords: true })).toBe(
    `printf '%s\\n' 'it'"'"'s x' ''`,
  );
});

test('a value that leaves nothing behind leaves the space before it', () => {
  expect(filled(['echo', '{}'], [null])).toBe('echo ');
  expect(filled(['echo', '{#}'], [null])).toBe('echo 7');
});

test('--plus takes endings apart', () => {
  const words = ['{+/}', '{+.}', '{+..}', '{..}', '{/..}', '{##}', '{0#}', '{0%}'];
  expect(filled(words, ['d/s/f.a.b.c'], { plus: true })).toBe('d/s c b.c d/s/f.a f.a 12 07 2');
  expect(filled(['{:2}', '{:1:3}', '{/b/x}', '{//b/x}', '{^a}', '{^^a}'], ['abcab'], { plus: true })).toBe(
    'cab bca axcab axcax Abcab AbcAb',
  );
});

test('a command that begins with a value is code', () => {
  const parser = new TemplateParser(replacementSigns(new Map(), false));
  const isCode = (...words: string[]) => beginsWithValue(parser.parse(words));
  expect([isCode('{}'), isCode('a{}'), isCode('a {}'), isCode('V={}'), isCode('a', '{}')]).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(hasValues(parser.parse(['a', '{ }', '{x}']))).toBe(false);
});
