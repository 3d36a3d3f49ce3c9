import { encodeMsgpack, type Spec } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { displayValue } from './display.ts';

const text = (value: unknown, spec: Partial<Spec> = {}) =>
  displayValue({ kind: 'echo', encoding: 'msgpack', ...spec }, encodeMsgpack(value), 'input');

describe('the short text of a value', () => {
  test('is JSON, cut off, and never bytes', () => {
    expect(text('a string')).toBe('"a string"');
    expect(text({ a: [1, null] })).toBe('{"a":[1,null]}');
    expect(text('x'.repeat(128))).toBe(`"${'x'.repeat(128)}"`);
    expect(text('x'.repeat(3_000))).toBe(`"${'x'.repeat(1_998)}…`);
    expect(text(new Uint8Array(8))).toBe('8 bytes');
    expect(text(5, { encoding: 'raw' })).toBe('1 byte');
  });

  test('of a command says how it ended, and how its output begins', () => {
    const shown = (result: object) =>
      displayValue({ kind: 'command', encoding: 'msgpack' }, encodeMsgpack(result), 'output');
    const stdout = Buffer.from('one\ntwo\n');
    expect(shown({ exitCode: 3, stderr: stdout, stdout })).toBe('exit code 3, "one"');
    expect(shown({ signal: 9, stderr: stdout, stdout: new Uint8Array(0) })).toBe('signal 9');
  });

  test('of a digest is its beginning', () => {
    const digest = Buffer.from('7c0b5f5412ab34', 'hex');
    const spec = { kind: 'hash', encoding: 'raw' } as const;
    expect(displayValue(spec, digest, 'output')).toBe('7c0b5f54...');
    expect(displayValue(spec, digest, 'input')).toBe('7 bytes');
    expect(displayValue({ ...spec, encoding: 'msgpack' }, encodeMsgpack('7c0b'), 'output')).toBe('"7c0b"');
  });
});
