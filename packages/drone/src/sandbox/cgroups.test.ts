/**
 * Control groups of version 2, whose files a test makes itself: machines that run the tests may have version 1, which
 * attacks.test.ts meets for real. Here it counts what is written where.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { cgroupVerdict, findCgroups, makeRunCgroups, runCgroups } from './cgroups.ts';

const OWN = 'sys/fs/cgroup/user.slice/app';
let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hive-cgroups-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}

function version2(controllers: string): void {
  write('proc/self/cgroup', '0::/user.slice/app\n');
  write('proc/self/mountinfo', '30 23 0:26 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n');
  write(`${OWN}/cgroup.controllers`, controllers);
  write(`${OWN}/cgroup.subtree_control`, controllers);
  write(`${OWN}/hive-d/cgroup.controllers`, controllers);
  write(`${OWN}/hive-d/cgroup.kill`, '');
}

test('version 2: one cgroup does it all, and hands its controllers down', () => {
  version2('cpu memory pids');
  const cgroups = findCgroups('d', root);
  const path = join(root, OWN, 'hive-d');
  expect(cgroups).toEqual({
    memory: { path, version: 2 },
    processes: { path, version: 2 },
    cpu: { path, version: 2 },
    kill: path,
  });
  expect(readFileSync(join(path, 'cgroup.subtree_control'), 'utf8')).toBe('+memory +pids +cpu');

  const run = runCgroups(cgroups!, 'r1', { memoryBytes: 2 ** 26, processes: 20, cpus: 0.5 });
  expect(run.folders).toEqual([join(path, 'r1')]);
  makeRunCgroups(run);
  const read = (name: string): string => readFileSync(join(path, 'r1', name), 'utf8');
  expect([read('memory.max'), read('memory.swap.max'), read('memory.oom.group')]).toEqual([
    '67108864',
    '0',
    '1',
  ]);
  expect([read('pids.max'), read('cpu.max')]).toEqual(['20', '50000 100000']);
});

test('a cgroup without its controllers is none: a Drone says what it cannot count', () => {
  version2('cpu');
  expect(findCgroups('d', root)).toBe(null);
  expect(existsSync(join(root, 'proc/self/cgroup'))).toBe(true);
});

test('no cgroups at all', () => {
  write('proc/self/cgroup', '');
  expect(findCgroups('d', root)).toBe(null);
});

test('says whether a run was cut short for want of memory or processes', () => {
  version2('cpu memory pids');
  const run = runCgroups(findCgroups('d', root)!, 'r1', {});
  makeRunCgroups(run);
  expect(cgroupVerdict(run)).toBe(null);
  write(`${OWN}/hive-d/r1/pids.events`, 'max 3\n');
  expect(cgroupVerdict(run)).toBe('processes');
  write(`${OWN}/hive-d/r1/memory.events`, 'low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n');
  expect(cgroupVerdict(run)).toBe('memory');
});
