/**
 * Whose word counts: the operator's, from the Drone's command line, and the job's, from its params. What a run gets is never
 * weaker than either. A job may tighten limits, not widen them; it may choose among the operator's images, and it has
 * the network only if it asks for it and the operator gives it.
 */
import {
  type SandboxLevel,
  type SandboxLimits,
  type SandboxWish,
  strongerLevel,
  tighterLimits,
  UsageError,
} from '@hive/shared';
import type { SandboxMachine } from './machine.ts';

/** What the operator demands of every run on this Drone. */
export interface SandboxPolicy {
  /** The least that a run gets. */
  readonly minimum: SandboxLevel;
  /** Images that `docker` may use, on this machine already; the first one is taken where the job names none. */
  readonly images: readonly string[];
  /** Whether runs in `bwrap` and `docker` may have the network when their job asks for it. */
  readonly network: boolean;
  readonly limits: SandboxLimits;
  /** Further folders that `bwrap` and `docker` show, read-only. Absolute paths. */
  readonly readable: readonly string[];
  /** Folders that they never show, whatever else is shown, and where nothing runs: the cluster's secret. Absolute paths. */
  readonly hidden: readonly string[];
}

/** What one run gets. */
export interface SandboxTerms {
  readonly level: SandboxLevel;
  /** For `docker`. */
  readonly image: string | null;
  readonly network: boolean;
  readonly limits: SandboxLimits;
}

/** Enough for a build, and the end of a fork bomb. Taken where processes are counted per run. */
const PROCESSES_DEFAULT = 4_096;

/** @throws UsageError when this Drone cannot, or may not, do what the job wishes */
export function agreeOnTerms(
  policy: SandboxPolicy,
  machine: SandboxMachine,
  wish: SandboxWish,
): SandboxTerms {
  const level = strongerLevel(policy.minimum, wish.level);
  checkLevel(level, policy, machine);
  const isIsolated = level === 'bwrap' || level === 'docker';
  if (wish.network === true && isIsolated && !policy.network) {
    throw new UsageError(
      'This Drone gives no network to what runs in a sandbox; start it with --sandbox-network, or leave the wish out.',
      'sandboxRefused',
    );
  }
  const limits = level === 'none' ? {} : limitsFor(level, machine, tighterLimits(policy.limits, wish));
  checkLimits(level, machine, limits);
  return {
    level,
    image: level === 'docker' ? imageFor(policy, wish) : null,
    network: isIsolated ? wish.network === true : true,
    limits,
  };
}

/** @throws UsageError with what to do, when this machine cannot do `level` */
export function checkLevel(level: SandboxLevel, policy: SandboxPolicy, machine: SandboxMachine): void {
  if (level === 'none') return;
  const found = machine[level];
  if (found.isThere) {
    if (level !== 'docker' || policy.images.length > 0) return;
    throw new UsageError(
      'The sandbox docker needs an image; name one with --sandbox-image.',
      'sandboxMissing',
    );
  }
  throw new UsageError(
    `This machine cannot run the sandbox ${level}: ${found.why} Or choose another level.`,
    'sandboxMissing',
  );
}

function limitsFor(level: SandboxLevel, machine: SandboxMachine, limits: SandboxLimits): SandboxLimits {
  if (limits.processes !== undefined) return limits;
  const isCountedPerRun = level !== 'limits' || machine.cgroups !== null;
  const isShared = level === 'bwrap' && machine.isRoot && machine.cgroups === null;
  return isCountedPerRun && !isShared ? { ...limits, processes: PROCESSES_DEFAULT } : limits;
}

/** Refuses what could not be kept, rather than to run without it. */
export function checkLimits(level: SandboxLevel, machine: SandboxMachine, limits: SandboxLimits): void {
  if (level === 'none' || level === 'docker') return;
  const { cgroups, isRoot } = machine;
  if (limits.cpus !== undefined && (cgroups?.cpu ?? null) === null) {
    throw new UsageError(
      `The sandbox ${level} shares out processors only where the Drone may make cgroups; run it where it may, or use docker.`,
      'sandboxMissing',
    );
  }
  if (limits.processes !== undefined && level === 'limits' && isRoot && cgroups === null) {
    throw new UsageError(
      'The processes of root cannot be limited without cgroups; start the Drone as an ordinary user, or use bwrap or docker.',
      'sandboxMissing',
    );
  }
}

function imageFor(policy: SandboxPolicy, wish: SandboxWish): string {
  const image = wish.image ?? policy.images[0]!;
  if (policy.images.includes(image)) return image;
  throw new UsageError(
    `This Drone runs no image "${image}"; it has ${policy.images.join(', ')}. Its operator can add one with --sandbox-image.`,
    'sandboxRefused',
  );
}
