/** `--sandbox` and its limits, of `hive run`: what the commands of a run are to be shut in. Names and units are a Drone's. */
import { isSandboxLevel, readSandboxWish, SANDBOX_LEVELS, type SandboxWish, UsageError } from '@hive/shared';
import { parseBytes } from '../../format.ts';
import type { OptionValues } from './option-parser.ts';

const SIZES = {
  'sandbox-memory': 'memoryBytes',
  'sandbox-file-size': 'fileBytes',
  'sandbox-disk': 'diskBytes',
} as const;
const NUMBERS = {
  'sandbox-cpus': 'cpus',
  'sandbox-cpu-time': 'cpuSeconds',
  'sandbox-processes': 'processes',
  'sandbox-files': 'openFiles',
} as const;
const OTHERS = ['sandbox-image', 'sandbox-network'];

/** Null: nothing is asked for. @throws UsageError, by the option's name */
export function sandboxWishOf(values: OptionValues): SandboxWish | null {
  const text = (name: string) => values.get(name)?.at(-1);
  const level = text('sandbox') ?? 'none';
  if (!isSandboxLevel(level))
    throw new UsageError(`--sandbox takes ${SANDBOX_LEVELS.join(', ')}; not "${level}".`, 'badSandbox');
  const limits: Record<string, number> = {};
  for (const [name, field] of Object.entries({ ...SIZES, ...NUMBERS })) {
    const given = text(name);
    if (given === undefined) continue;
    const value = name in SIZES ? parseBytes(given) : given.trim() === '' ? Number.NaN : Number(given);
    const example = name in SIZES ? 'a size such as 512M or 4G' : 'a number';
    if (Number.isNaN(value)) throw new UsageError(`--${name} takes ${example}, not "${given}".`, 'badNumber');
    limits[field] = value;
  }
  checkNeeds(values, level, [...Object.keys(SIZES), ...Object.keys(NUMBERS), ...OTHERS]);
  if (level === 'none') return null;
  const image = text('sandbox-image');
  return readSandboxWish({
    level,
    ...limits,
    ...(image === undefined ? {} : { image }),
    ...(values.has('sandbox-network') ? { network: true } : {}),
  });
}

/** What would bound nothing is refused, rather than ignored. */
function checkNeeds(values: OptionValues, level: string, names: readonly string[]): void {
  const given = names.find((name) => values.has(name));
  if (level === 'none' && given !== undefined)
    throw new UsageError(`--${given} needs --sandbox limits, bwrap or docker.`, 'badSandbox');
  if (level !== 'docker' && values.has('sandbox-image'))
    throw new UsageError('--sandbox-image needs --sandbox docker.', 'badSandbox');
}
