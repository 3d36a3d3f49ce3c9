import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  fstatSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadLibc } from './libc.ts';
import { type Printed, PrintedFiles, printedFile, spareFile } from './printed-files.ts';

let folder: string;
let files: PrintedFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hive-printed-'));
  files = new PrintedFiles(folder, loadLibc());
});
afterEach(() => rmSync(folder, { recursive: true }));

const libc = loadLibc();
const withFlock = libc === null ? describe.skip : describe;
const inode = ({ file }: Printed) => fstatSync(file).ino;
const open = (position: number, isWatched = false) => files.open(1, position, 'stdout', { isWatched });

withFlock('the file that a command prints into', () => {
  test("is the last one's, if that has printed nothing", () => {
    const first = open(0);
    const number = inode(first);
    files.close(first, false);
    const second = open(1);
    expect(inode(second)).toBe(number);
    writeSync(second.given, 'printed');
    const bytes = Buffer.alloc(9);
    expect(bytes.toString('latin1', 0, readSync(second.file, bytes, 0, 9, 0))).toBe('printed');
    files.close(second, false);
    expect(readdirSync(folder)).toEqual([]);
    const third = open(2);
    expect(fstatSync(third.file).size).toBe(0);
    files.close(third, false);
  });

  test('is another one while anybody can still write into it', async () => {
    const first = open(0);
    const number = inode(first);
    const daemon = spawn('sleep', ['600'], { stdio: ['ignore', first.given, 'ignore'] });
    files.close(first, false);
    const second = open(1);
    expect(inode(second)).not.toBe(number);
    files.close(second, false);
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
  });

  test('stays for who has begun to watch, under the name of its command', () => {
    const printed = open(7);
    linkSync(spareFile(folder, 'stdout'), printedFile(folder, 1, 7, 'stdout'));
    files.close(printed, true);
    expect(readdirSync(folder)).toEqual(['1-7.stdout']);
  });

  test('has the name of its command also if somebody begins to watch while it is made', () => {
    let looks = 0;
    const watch = {
      get isWatched() {
        return looks++ > 0;
      },
    };
    const printed = files.open(1, 7, 'stdout', watch);
    writeSync(printed.given, 'seen');
    expect(readFileSync(printedFile(folder, 1, 7, 'stdout'), 'latin1')).toBe('seen');
    files.close(printed, true);
    expect(readdirSync(folder)).toEqual(['1-7.stdout']);
  });

  test('is new for who watches, though the spare one was given its name just before', () => {
    const first = open(0);
    const number = inode(first);
    files.close(first, false);
    linkSync(spareFile(folder, 'stdout'), printedFile(folder, 1, 7, 'stdout'));
    const second = open(7, true);
    expect(inode(second)).not.toBe(number);
    files.close(second, true);
  });

  test('is not given on while it has that name, though nobody watches any more', () => {
    const printed = open(7);
    const number = inode(printed);
    linkSync(spareFile(folder, 'stdout'), printedFile(folder, 1, 7, 'stdout'));
    files.close(printed, false);
    const next = open(8);
    expect(inode(next)).not.toBe(number);
    files.close(next, false);
  });

  test('is not what a thread has left behind that died', () => {
    const printed = open(0);
    expect(existsSync(spareFile(folder, 'stdout'))).toBe(true);
    const others = new PrintedFiles(folder, libc);
    const next = others.open(1, 0, 'stdout', { isWatched: false });
    expect(inode(next)).not.toBe(inode(printed));
    others.close(next, false);
  });
});

test('without flock each command has its own, which goes with it, or stays for who watches', () => {
  files = new PrintedFiles(folder, null);
  const printed = open(0);
  expect(readdirSync(folder)).toEqual(['1-0.stdout']);
  files.close(printed, false);
  expect(readdirSync(folder)).toEqual([]);
  files.close(open(1, true), true);
  expect(readdirSync(folder)).toEqual(['1-1.stdout']);
});
