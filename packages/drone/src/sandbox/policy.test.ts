/** Whose word counts, and what is refused when the Drone starts rather than when work comes. */

import { labelsOfWish, readSandboxWish, SANDBOX_LEVELS } from '@hive/shared';
import { describe, expect, test } from '@jest/globals';
import { machine, POLICY } from '../testing/sandbox-setup.ts';
import { agreeOnTerms } from './policy.ts';
import { COLUMNS, PROTECTIONS } from './protections.ts';
import { checkPolicy, labelsOfSandbox } from './setup.ts';

describe('a run gets', () => {
  test('the stronger of what the operator demands and what the job wishes', () => {
    for (const minimum of SANDBOX_LEVELS) {
      for (const level of SANDBOX_LEVELS) {
        const terms = agreeOnTerms({ ...POLICY, minimum }, machine(), { level });
        const strongest = Math.max(SANDBOX_LEVELS.indexOf(minimum), SANDBOX_LEVELS.indexOf(level));
        expect(terms.level).toBe(SANDBOX_LEVELS[strongest]);
      }
    }
  });

  test('the tighter of both limits, and none that nobody asked for but that of processes', () => {
    const policy = { ...POLICY, limits: { memoryBytes: 2 ** 30, fileBytes: 2 ** 20 } };
    const terms = agreeOnTerms(policy, machine(), {
      level: 'bwrap',
      memoryBytes: 2 ** 31,
      fileBytes: 2 ** 10,
    });
    expect(terms.limits).toEqual({ memoryBytes: 2 ** 30, fileBytes: 2 ** 10, processes: 4_096 });
    expect(agreeOnTerms(policy, machine(), { level: 'none' }).limits).toEqual({});
  });

  test('the network only if its job asks for it and the operator gives it', () => {
    expect(agreeOnTerms({ ...POLICY, network: true }, machine(), { level: 'bwrap' }).network).toBe(false);
    const wish = { level: 'bwrap', network: true } as const;
    expect(agreeOnTerms({ ...POLICY, network: true }, machine(), wish).network).toBe(true);
    expect(() => agreeOnTerms(POLICY, machine(), wish)).toThrow('start it with --sandbox-network');
  });

  test("one of the operator's images, the first one if its job names none", () => {
    expect(agreeOnTerms(POLICY, machine(), { level: 'docker' }).image).toBe('busybox');
    expect(agreeOnTerms(POLICY, machine(), { level: 'docker', image: 'node:24' }).image).toBe('node:24');
    expect(() => agreeOnTerms(POLICY, machine(), { level: 'docker', image: 'other' })).toThrow(
      'This Drone runs no image "other"; it has busybox, node:24.',
    );
  });
});

describe('what the machine cannot do', () => {
  test('is refused when the Drone starts, with what to do', () => {
    const without = machine({ bwrap: { isThere: false, why: 'there is no bwrap; install bubblewrap.' } });
    expect(() => checkPolicy({ ...POLICY, minimum: 'bwrap' }, without)).toThrow(
      'This machine cannot run the sandbox bwrap: there is no bwrap; install bubblewrap. Or choose another level.',
    );
    expect(() => checkPolicy({ ...POLICY, minimum: 'docker', images: [] }, machine())).toThrow(
      '--sandbox-image',
    );
  });

  test('is never left out in silence: limits that could not be kept are errors', () => {
    const root = machine({ isRoot: true, cgroups: null });
    expect(() => agreeOnTerms(POLICY, root, { level: 'limits', processes: 20 })).toThrow('without cgroups');
    expect(() => agreeOnTerms(POLICY, machine({ cgroups: null }), { level: 'limits', cpus: 1 })).toThrow(
      'use docker',
    );
    expect(
      agreeOnTerms(POLICY, machine({ cgroups: null }), { level: 'limits', processes: 20 }).limits,
    ).toEqual({
      processes: 20,
    });
  });

  test('has no label, so that no job is placed where it cannot run', () => {
    const some = machine({ bwrap: { isThere: false, why: 'no.' } });
    const labels = labelsOfSandbox({
      drone: 'd',
      policy: { ...POLICY, minimum: 'limits', network: true },
      machine: some,
    });
    expect(labels).toEqual({
      sandbox: 'limits',
      'sandbox.limits': 'yes',
      'sandbox.docker': 'yes',
      'sandbox.cpus': 'yes',
      'sandbox.processes': 'yes',
      'sandbox.network': 'yes',
      'sandbox.image.busybox': 'yes',
      'sandbox.image.node:24': 'yes',
    });
    expect(labelsOfWish({ level: 'bwrap', network: true })).toEqual({
      'sandbox.bwrap': 'yes',
      'sandbox.network': 'yes',
    });
    expect(labelsOfWish({ level: 'none' })).toEqual({});
  });

  test('nor has what only its cgroups could count, unless its operator demands what can without', () => {
    const poor = machine({ isRoot: true, cgroups: null });
    const label = (policy: typeof POLICY) =>
      Object.keys(labelsOfSandbox({ drone: 'd', policy, machine: poor }));
    expect(label(POLICY)).not.toContain('sandbox.cpus');
    expect(label(POLICY)).not.toContain('sandbox.processes');
    expect(label({ ...POLICY, minimum: 'docker' })).toEqual(
      expect.arrayContaining(['sandbox.cpus', 'sandbox.processes']),
    );
    expect(labelsOfWish({ level: 'limits', cpus: 1, processes: 9 })).toEqual({
      'sandbox.limits': 'yes',
      'sandbox.cpus': 'yes',
      'sandbox.processes': 'yes',
    });
    expect(labelsOfWish({ level: 'docker', cpus: 1, processes: 9, image: 'node:24' })).toEqual({
      'sandbox.docker': 'yes',
      'sandbox.image.node:24': 'yes',
    });
    expect(labelsOfWish({ level: 'docker', image: 'x'.repeat(250) })).toEqual({ 'sandbox.docker': 'yes' });
  });
});

describe("a job's wish", () => {
  test('is the name of a level or a map, and nothing is overlooked in it', () => {
    expect(readSandboxWish(undefined)).toEqual({ level: 'none' });
    expect(readSandboxWish('bwrap')).toEqual({ level: 'bwrap' });
    const map = { level: 'docker', image: 'busybox', network: true, memoryBytes: 2 ** 28, cpus: 0.5 };
    expect(readSandboxWish(map)).toEqual(map);
    expect(() => readSandboxWish('chroot')).toThrow('none, limits, bwrap, docker');
    expect(() => readSandboxWish({ level: 'limits', memory: 1 })).toThrow('A sandbox has no "memory"');
    expect(() => readSandboxWish({ level: 'limits', memoryBytes: 1 })).toThrow('from 4194304 to');
    expect(() => readSandboxWish({ level: 'limits', processes: 1.5 })).toThrow('a whole number');
    expect(() => readSandboxWish({ level: 'docker', image: '' })).toThrow('Docker image');
    expect(() => readSandboxWish({ network: 'yes' })).toThrow('true or false');
  });
});

test('a stronger level protects from everything that a weaker one protects from', () => {
  const at = (column: (typeof COLUMNS)[number]): number => COLUMNS.indexOf(column);
  const steps = [
    ['none', 'limits'],
    ['limits', 'bwrap'],
    ['limits', 'limits+cgroups'],
    ['bwrap', 'bwrap+cgroups'],
    ['limits+cgroups', 'bwrap+cgroups'],
    ['bwrap+cgroups', 'docker'],
  ] as const;
  for (const { text, holds } of Object.values(PROTECTIONS)) {
    for (const [weaker, stronger] of steps) {
      expect({ text, stronger, holds: holds[at(stronger)] || !holds[at(weaker)] }).toEqual({
        text,
        stronger,
        holds: true,
      });
    }
  }
});
