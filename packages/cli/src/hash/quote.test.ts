import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { escapeName, quoteName } from './quote.ts';

const hasSha256sum = spawnSync('sha256sum', ['--version']).stdout?.includes('GNU coreutils') ?? false;

/** Names made of what quoting stumbles over, the same ones in every run. */
function oddNames(count: number): Buffer[] {
  const pieces = [
    "'",
    '"',
    '\\',
    '\n',
    '\r',
    '\t',
    '\x01',
    '\x7f',
    ' ',
    '#',
    '~',
    '{',
    '}',
    '=',
    ':',
    ']',
    '!',
    '$',
    '@',
  ]
    .map((text) => Buffer.from(text))
    .concat([Buffer.of(0xff), Buffer.of(0xc3), Buffer.of(0xe2, 0x82), Buffer.from('ü€😀\u0085\u2028\u200b')])
    .concat([Buffer.from('a'), Buffer.from('7'), Buffer.from('ü'), Buffer.from('%+,-._')]);
  let seed = 1;
  const next = (bound: number) => {
    seed = (seed * 48_271) % 0x7fff_ffff;
    return seed % bound;
  };
  return Array.from({ length: count }, () =>
    // No file has such a name, so that sha256sum complains about each of them.
    Buffer.concat([...Array.from({ length: 1 + next(5) }, () => pieces[next(pieces.length)]!)]),
  );
}

/** What sha256sum says about names of files that are not there. */
function complaints(names: readonly Buffer[], locale: string): string[] {
  const input = Buffer.concat(names.flatMap((name) => [name, Buffer.of(0)]));
  const { stderr } = spawnSync('xargs', ['-0', 'sha256sum', '--'], {
    input,
    cwd: '/proc/self/task',
    env: { ...process.env, LC_ALL: locale },
    maxBuffer: 2 ** 26,
  });
  return stderr.toString('utf8').trimEnd().split('\n');
}

describe('names in messages', () => {
  const run = hasSha256sum ? test : test.skip;
  run.each([
    ['C.UTF-8', true],
    ['C', false],
  ])('are quoted as sha256sum quotes them in the locale %s', (locale, isUtf8) => {
    const names = oddNames(3_000);
    expect(names.map((name) => `sha256sum: ${quoteName(name, isUtf8)}: No such file or directory`)).toEqual(
      complaints(names, locale),
    );
  });

  test('stay as they are when a shell would leave them alone', () => {
    expect(quoteName(Buffer.from('src/main.ts'), true)).toBe('src/main.ts');
    expect(quoteName(Buffer.from(''), true)).toBe("''");
  });
});

describe('names in the list of digests', () => {
  test('are escaped only for backslash, newline and carriage return', () => {
    const { bytes, isEscaped } = escapeName(Buffer.from('a\\b\nc\rd\te'));
    expect(bytes.toString()).toBe('a\\\\b\\nc\\rd\te');
    expect(isEscaped).toBe(true);
    expect(escapeName(Buffer.from("it's"))).toEqual({ bytes: Buffer.from("it's"), isEscaped: false });
  });
});
