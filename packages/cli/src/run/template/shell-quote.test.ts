import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bytesOf, bytesToByteText, byteText } from '../byte-text.ts';
import { shellQuote } from './shell-quote.ts';

const SHELLS = ['sh', 'bash', 'dash', 'zsh', 'ksh'].filter(
  (shell) => spawnSync(shell, ['-c', 'true']).status === 0,
);
/** No word holds a NUL. */
const byte = fc.integer({ min: 1, max: 255 });
const special = fc.constantFrom(
  ...[...'\'"\\$`!~#*?[]{}()<>|&; \t\n=-'].map((character) => character.charCodeAt(0)),
);
const word = fc
  .array(fc.oneof(byte, special, special), { maxLength: 12 })
  .map((bytes) => bytesToByteText(Uint8Array.from(bytes)));

test('any bytes are one word, and the same bytes, to a real shell', () => {
  expect(SHELLS.length).toBeGreaterThan(0);
  const property = fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (words) => {
    // On standard input, as the arguments of a process made here could only be text.
    const script = bytesOf(`printf '%s\\0' ${words.map(shellQuote).join(' ')}\n`);
    for (const shell of SHELLS) {
      const { stdout } = spawnSync(shell, ['-s'], {
        input: script,
        env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      });
      expect({ shell, words: bytesToByteText(stdout).split('\0').slice(0, -1) }).toEqual({ shell, words });
    }
  });
  fc.assert(property, { numRuns: 60 });
});

test('values look as GNU parallel writes them', () => {
  const cases = {
    '': "''",
    plain: 'plain',
    'a/b-c_d.e+f': 'a/b-c_d.e+f',
    'a b': "'a b'",
    "it's": `'it'"'"'s'`,
    "'first": `"'"'first'`,
    "last'": `'last'"'"`,
    "'": `"'"`,
    'a=b': "'a=b'",
    '~': "'~'",
  };
  for (const [value, quoted] of Object.entries(cases)) expect(shellQuote(value)).toBe(quoted);
  expect(shellQuote(byteText('é'))).toBe(byteText("'é'"));
});
