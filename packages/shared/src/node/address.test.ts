import { expect, test } from '@jest/globals';
import { UsageError } from '../errors.ts';
import { DEFAULT_PORT, formatAddress, LOOPBACK, parseAddress } from './address.ts';

test.each([
  ['example.org:9000', 'example.org', 9000],
  ['example.org', 'example.org', DEFAULT_PORT],
  [':9000', LOOPBACK, 9000],
  ['10.0.0.7:1', '10.0.0.7', 1],
  ['[::1]:65535', '::1', 65_535],
  ['[fe80::1%eth0]', 'fe80::1%eth0', DEFAULT_PORT],
  ['  queen:80 ', 'queen', 80],
])('%j is an address', (text, host, port) => {
  const address = parseAddress(text);
  expect(address).toEqual({ host, port });
  expect(parseAddress(formatAddress(address))).toEqual(address);
});

test.each([
  '',
  ' ',
  ':',
  'host:',
  'host:0',
  'host:65536',
  'host:123456',
  'host:x',
  'host:-1',
  '::1',
  '[::1',
  '[]:80',
  'tcp://host:80',
  'host/path',
  'user@host',
  'two words',
  'a:b:1',
])('%j is not, and the text says how to write one', (text) => {
  expect(() => parseAddress(text)).toThrow(UsageError);
  expect(() => parseAddress(text)).toThrow(/Write host:port/);
});
