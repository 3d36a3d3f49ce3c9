/** Opens the sandboxes of a Drone: what its operator demands is checked against the machine before any work comes. */
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import {
  imageLabel,
  SANDBOX_LEVELS,
  type SandboxLevel,
  type SandboxWish,
  sandboxLabel,
  UsageError,
} from '@hive/shared';
import { removeCgroups } from './cgroups.ts';
import { examineMachine, type Probe, type SandboxMachine } from './machine.ts';
import type { SandboxSetup } from './plan.ts';
import { agreeOnTerms, checkLevel, checkLimits, type SandboxPolicy } from './policy.ts';

/** All of it but where the runs are, which is known when the Drone runs. */
export type OpenSandbox = Omit<SandboxSetup, 'runs'>;

/**
 * Looks at the machine and at what is demanded of it.
 * @throws UsageError with what to do, when it cannot do what the operator demands
 */
export function openSandbox(policy: SandboxPolicy, probe: Omit<Probe, 'images'>): OpenSandbox {
  const machine = examineMachine({ ...probe, images: policy.images });
  try {
    checkReadable(policy);
    checkPolicy(policy, machine);
  } catch (error) {
    if (machine.cgroups !== null) removeCgroups(machine.cgroups);
    throw error;
  }
  return { drone: probe.drone, policy, machine };
}

function checkReadable({ readable }: SandboxPolicy): void {
  const missing = readable.find((path) => !isAbsolute(path) || !existsSync(path));
  if (missing === undefined) return;
  throw new UsageError(`There is no folder ${missing} to be read in sandboxes.`, 'sandboxMissing');
}

/** @throws UsageError when the machine cannot do what the operator demands */
export function checkPolicy(policy: SandboxPolicy, machine: SandboxMachine): void {
  if (policy.images.length > 0) checkLevel('docker', policy, machine);
  agreeOnTerms(policy, machine, { level: policy.minimum });
  // Limits that the minimum would not keep are meant for jobs that ask for more.
  const levels = SANDBOX_LEVELS.filter((level) => isThere(level, policy, machine));
  const strongest = levels.at(-1) ?? 'none';
  checkLimits(strongest, machine, policy.limits);
}

function isThere(level: SandboxLevel, policy: SandboxPolicy, machine: SandboxMachine): boolean {
  if (level === 'none') return true;
  return machine[level].isThere && (level !== 'docker' || policy.images.length > 0);
}

/**
 * `sandbox` is the operator's minimum; `sandbox.bwrap=yes` and the like say what a job may ask for, for placing it, and
 * `sandbox.image.NAME=yes` which images.
 */
export function labelsOfSandbox({ policy, machine }: OpenSandbox): Record<string, string> {
  const levels = SANDBOX_LEVELS.filter((level) => level !== 'none' && isThere(level, policy, machine));
  const counted = COUNTED.filter((name) => isKept(policy, machine, { level: 'limits', [name]: 1 }));
  const images = levels.includes('docker') ? policy.images.slice(0, IMAGES_MAX).map(imageLabel) : [];
  const abilities = [...levels, ...counted, ...(policy.network ? (['network'] as const) : [])];
  const labels = [...abilities.map(sandboxLabel), ...images.filter((label) => label !== null)];
  return { sandbox: policy.minimum, ...Object.fromEntries(labels.map((label) => [label, 'yes'])) };
}
/** Limits that not every machine can keep. */
const COUNTED = ['cpus', 'processes'] as const;
/** A Drone has other labels, too. */
const IMAGES_MAX = 32;

function isKept(policy: SandboxPolicy, machine: SandboxMachine, wish: SandboxWish): boolean {
  try {
    agreeOnTerms(policy, machine, wish);
    return true;
  } catch {
    return false;
  }
}
