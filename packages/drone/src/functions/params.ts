/** The params of a job of the kind `function` (docs/PROTOCOL.md), checked. */
import { TaskFailure } from '../kinds/failure.ts';

/** Where code is: a task's, or a reducer's. */
export interface CodeSource {
  /** The bundle's hash; null: a file that this Drone's operator has registered. */
  readonly module: string | null;
  /** Of a registered one. */
  readonly name: string | null;
  /** Which of the module's exports. */
  readonly export: string | null;
  /** How people call its file. */
  readonly file: string;
}

export interface FunctionParams extends CodeSource {
  readonly concurrency: number | null;
  readonly maxCallsPerThread: number | null;
  /** Run in a process of its own, in a sandbox; as commands have it. */
  readonly sandbox: unknown;
  /** Heap of that process. */
  readonly memoryMiB: number | null;
  /** The job's own: what all of its tasks have in common. */
  readonly params: Readonly<Record<string, unknown>>;
}

const ENTRIES = [
  'module',
  'name',
  'export',
  'file',
  'concurrency',
  'maxCallsPerThread',
  'sandbox',
  'memoryMiB',
  'params',
];

/** @throws TaskFailure */
export function readParams(params: Readonly<Record<string, unknown>>): FunctionParams {
  const unknown = Object.keys(params).find((entry) => !ENTRIES.includes(entry));
  if (unknown !== undefined) throw badParams(`a function has no "${unknown}"`);
  const module = textOf(params, 'module');
  const name = textOf(params, 'name');
  if ((module === null) === (name === null)) throw badParams('one of module and name is needed');
  if (module !== null && !/^[0-9a-f]{64}$/.test(module))
    throw badParams('module is no SHA-256 in hex digits');
  return {
    module,
    name,
    export: textOf(params, 'export'),
    file: textOf(params, 'file') ?? name ?? 'The module',
    concurrency: countOf(params, 'concurrency', 1_000),
    maxCallsPerThread: countOf(params, 'maxCallsPerThread', Number.MAX_SAFE_INTEGER),
    memoryMiB: countOf(params, 'memoryMiB', 1024 * 1024),
    sandbox: params['sandbox'],
    params: mapOf(params['params']),
  };
}

function textOf(params: Readonly<Record<string, unknown>>, entry: string): string | null {
  const value = params[entry];
  if (value === undefined) return null;
  if (typeof value === 'string' && value.length > 0 && value.length <= 1_024) return value;
  throw badParams(`${entry} is no text`);
}

function countOf(params: Readonly<Record<string, unknown>>, entry: string, max: number): number | null {
  const value = params[entry];
  if (value === undefined) return null;
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max)
    return value as number;
  throw badParams(`${entry} is no whole number from 1 to ${max}`);
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.freeze({ ...value });
  throw badParams('params is no map');
}

const badParams = (what: string): TaskFailure =>
  new TaskFailure('badParams', `A function cannot have these parameters: ${what}.`);
