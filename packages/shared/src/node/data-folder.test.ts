import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { defaultDataFolder, readQueenAddress, removeQueenAddress, writeQueenAddress } from './data-folder.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hive-data-'));
});
afterEach(() => rmSync(home, { recursive: true }));

test('a Queen leaves her address and others find it', () => {
  const folder = join(home, 'made', 'on', 'demand');
  expect(readQueenAddress(folder)).toBeNull();
  for (const address of [
    { host: '127.0.0.1', port: 8080 },
    { host: '::1', port: 9 },
  ]) {
    writeQueenAddress(folder, address);
    expect(readQueenAddress(folder)).toEqual(address);
  }
  expect(readdirSync(folder)).toEqual(['queen.address']);
  expect(statSync(join(folder, 'queen.address')).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('a Queen takes her own address away, and nobody else’s', () => {
  const mine = { host: '127.0.0.1', port: 1 };
  const theirs = { host: '127.0.0.1', port: 2 };
  removeQueenAddress(home, mine);
  writeQueenAddress(home, theirs);
  removeQueenAddress(home, mine);
  expect(readQueenAddress(home)).toEqual(theirs);
  removeQueenAddress(home, theirs);
  expect(readQueenAddress(home)).toBeNull();
});

test('a damaged file is like none', () => {
  for (const text of ['', 'garbage here', 'host:99999', '\0']) {
    writeFileSync(join(home, 'queen.address'), text);
    expect(readQueenAddress(home)).toBeNull();
  }
});

test('HIVE_DATA names another folder', () => {
  const before = process.env['HIVE_DATA'];
  try {
    process.env['HIVE_DATA'] = home;
    expect(defaultDataFolder()).toBe(home);
    process.env['HIVE_DATA'] = '';
    expect(defaultDataFolder()).toMatch(/hive/);
  } finally {
    if (before === undefined) delete process.env['HIVE_DATA'];
    else process.env['HIVE_DATA'] = before;
  }
});
