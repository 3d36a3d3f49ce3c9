import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { peerId } from '@hive/shared';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { lastWordsOf } from './predecessor.ts';

const PEER = peerId('d'.repeat(32));
const BEFORE = { peer: PEER, pid: 4_711, how: 'SIGSEGV' };
let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'hive-words-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** @param at seconds, when it was written */
function left(path: string, text: string, at: number): void {
  const file = join(parent, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  utimesSync(file, at, at);
}

test('the words of a lost process are how it ended, and what was printed last in any of its slots', () => {
  left('hive-drone-4711-abc/slot-0/3-0.stdout', 'earlier\n', 10);
  left('hive-drone-4711-abc/slot-1/2-7.stdout', 'at 3 of 4\n', 20);
  left('hive-drone-4711-abc/slot-1/2-7.stderr', 'careful\n', 19);
  left('hive-drone-4711-abc/slot-1/spare.stdout', "a command's\n", 30);
  left('hive-drone-47110-abc/slot-0/1-0.stdout', "another's\n", 40);
  expect(lastWordsOf(BEFORE, parent)).toEqual({
    peer: PEER,
    how: 'SIGSEGV',
    printed: 'careful\nat 3 of 4',
  });
});

test('of one that has printed nothing, or whose folder is gone, only how it ended is known', () => {
  const known = { peer: PEER, how: 'SIGSEGV' };
  expect(lastWordsOf(BEFORE, parent)).toEqual(known);
  left('hive-drone-4711-abc/groups', '0\n', 10);
  expect(lastWordsOf(BEFORE, parent)).toEqual(known);
  expect(lastWordsOf(BEFORE, join(parent, 'nowhere'))).toEqual(known);
});

test('what somebody else has put in the place of its folder is not read', () => {
  left('elsewhere/slot-0/1-0.stdout', 'a secret\n', 40);
  symlinkSync(join(parent, 'elsewhere'), join(parent, 'hive-drone-4711-evil'));
  left('hive-drone-4711-abc/slot-0/3-0.stdout', 'its own\n', 10);
  expect(lastWordsOf(BEFORE, parent).printed).toBe('its own');
});
