/**
 * What a job may ask of the sandbox that its commands and functions run in, and the labels that place it on Drones that can.
 * A wish only ever adds to what the Drone's operator demands; it takes nothing away.
 *
 * It travels as `sandbox` in a job's params: the name of a level, or a map of the fields of `SandboxWish`.
 */
import { UsageError } from './errors.ts';
import { LIMITS } from './limits.ts';

/** From the weakest to the strongest: each protects from everything that the one before it protects from. */
export const SANDBOX_LEVELS = ['none', 'limits', 'bwrap', 'docker'] as const;
export type SandboxLevel = (typeof SANDBOX_LEVELS)[number];

/** Bounds on one run, which is one command with everything that it starts. A field that is absent bounds nothing. */
export interface SandboxLimits {
  readonly memoryBytes?: number;
  /** Processors' worth of time, such as 0.5. */
  readonly cpus?: number;
  /** Processor time of each of its processes. */
  readonly cpuSeconds?: number;
  /** Processes and threads at once. */
  readonly processes?: number;
  /** Files that each of its processes has open at once. */
  readonly openFiles?: number;
  /** Bytes of each file that it writes. */
  readonly fileBytes?: number;
  /** Bytes of all files of its own folder together. */
  readonly diskBytes?: number;
}

export interface SandboxWish extends SandboxLimits {
  readonly level: SandboxLevel;
  /** For `docker`: one of the images that the operator has named. */
  readonly image?: string;
  /** Whether it needs the network, which `bwrap` and `docker` take away. */
  readonly network?: boolean;
}

/** Name of each limit and its least and largest value. Only `cpus` may have a fraction. */
export const SANDBOX_BOUNDS: Readonly<Record<keyof SandboxLimits, readonly [least: number, most: number]>> = {
  memoryBytes: [4 * 1024 * 1024, 2 ** 50],
  cpus: [0.01, 4_096],
  cpuSeconds: [1, 10 ** 9],
  processes: [1, 4_000_000],
  openFiles: [8, 1_000_000],
  fileBytes: [512, 2 ** 50],
  diskBytes: [4_096, 2 ** 50],
};
const LIMIT_NAMES = Object.keys(SANDBOX_BOUNDS) as readonly (keyof SandboxLimits)[];
const IMAGE_MAX = 256;

export function isSandboxLevel(value: unknown): value is SandboxLevel {
  return (SANDBOX_LEVELS as readonly unknown[]).includes(value);
}

/** The stronger of two. */
export function strongerLevel(one: SandboxLevel, other: SandboxLevel): SandboxLevel {
  return SANDBOX_LEVELS.indexOf(one) >= SANDBOX_LEVELS.indexOf(other) ? one : other;
}

/** The tighter of two sets of limits, field by field. */
export function tighterLimits(one: SandboxLimits, other: SandboxLimits): SandboxLimits {
  const limits: { -readonly [name in keyof SandboxLimits]: number } = {};
  for (const name of LIMIT_NAMES) {
    const values = [one[name], other[name]].filter((value) => value !== undefined);
    if (values.length > 0) limits[name] = Math.min(...values);
  }
  return limits;
}

/** @throws UsageError when a limit is out of its bounds, in the words of its field's name */
export function checkSandboxLimits(limits: Readonly<Record<string, unknown>>): SandboxLimits {
  const checked: { -readonly [name in keyof SandboxLimits]: number } = {};
  for (const name of LIMIT_NAMES) {
    const value = limits[name];
    if (value === undefined) continue;
    const [least, most] = SANDBOX_BOUNDS[name];
    const isNumber = typeof value === 'number' && value >= least && value <= most;
    if (!isNumber || (name !== 'cpus' && !Number.isInteger(value))) {
      throw new UsageError(
        `A sandbox's ${name} is a ${name === 'cpus' ? '' : 'whole '}number from ${least} to ${most}.`,
        'badSandbox',
      );
    }
    checked[name] = value;
  }
  return checked;
}

/** `sandbox` of a job's params; undefined wishes nothing. @throws UsageError when it makes no sense */
export function readSandboxWish(value: unknown): SandboxWish {
  if (value === undefined) return { level: 'none' };
  if (isSandboxLevel(value)) return { level: value };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(
      `A job's sandbox is ${SANDBOX_LEVELS.join(', ')}, or a map with a level.`,
      'badSandbox',
    );
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const known = ['level', 'image', 'network', ...LIMIT_NAMES];
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`A sandbox has no "${unknown}"; it has ${known.join(', ')}.`, 'badSandbox');
  }
  const { level = 'none', image, network } = fields;
  if (!isSandboxLevel(level)) {
    throw new UsageError(`A sandbox's level is ${SANDBOX_LEVELS.join(', ')}.`, 'badSandbox');
  }
  if (image !== undefined && (typeof image !== 'string' || image === '' || image.length > IMAGE_MAX)) {
    throw new UsageError("A sandbox's image is the name of a Docker image.", 'badSandbox');
  }
  if (network !== undefined && typeof network !== 'boolean') {
    throw new UsageError("A sandbox's network is true or false.", 'badSandbox');
  }
  return {
    level,
    ...checkSandboxLimits(fields),
    ...(image === undefined ? {} : { image: image as string }),
    ...(network === undefined ? {} : { network }),
  };
}

/**
 * Label of a Drone that can run a level, gives the network, or counts processors or processes in every level; `yes` if so.
 */
export type SandboxAbility = SandboxLevel | 'network' | 'cpus' | 'processes';
export const sandboxLabel = (ability: SandboxAbility): string => `sandbox.${ability}`;

/** Label of a Drone that may use an image; null where the name is too long for one, and only the Drone itself can tell. */
export function imageLabel(image: string): string | null {
  const label = `sandbox.image.${image}`;
  return label.length > LIMITS.nameMax ? null : label;
}

/** The labels that a job with this wish asks of a Drone, so that it is placed only where it can run. */
export function labelsOfWish(wish: SandboxWish): Record<string, string> {
  const { level, image, network, cpus, processes } = wish;
  const labels: string[] = [];
  if (level !== 'none') labels.push(sandboxLabel(level));
  if (network === true) labels.push(sandboxLabel('network'));
  // Docker and, for processes, bwrap can do these wherever they can run at all.
  if (cpus !== undefined && (level === 'limits' || level === 'bwrap')) labels.push(sandboxLabel('cpus'));
  if (processes !== undefined && level === 'limits') labels.push(sandboxLabel('processes'));
  const ofImage = level === 'docker' && image !== undefined ? imageLabel(image) : null;
  if (ofImage !== null) labels.push(ofImage);
  return Object.fromEntries(labels.map((label) => [label, 'yes']));
}
