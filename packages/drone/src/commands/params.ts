/**
 * What a job says of its commands, and what a task's input adds to that; docs/PROTOCOL.md has the table. Everything is
 * checked here, once per job and once per task, so that the rest can trust it.
 */
import { isAbsolute } from 'node:path';
import { type FileEntry, isBlobHash, LIMITS, pathProblem, readEntries, UsageError } from '@hive/shared';
import { badInput, TaskFailure } from '../kinds/failure.ts';
import type { Text } from './launch.ts';

/** Bytes of each output that are kept unless the job says otherwise. */
export const KEEP_BYTES = 16 * 1024 * 1024;
/** A byte string in msgpack cannot be longer. */
const KEEP_BYTES_MAX = 2 ** 32 - 1;
const DEFAULT_SHELL = '/bin/sh';

export interface CommandParams {
  /** What to run: a program with its arguments, a line for a shell, or (null) whatever the input says. */
  readonly what: What | null;
  readonly shell: string;
  /** Null: a fresh folder. */
  readonly cwd: string | null;
  readonly env: Variables;
  /** Nothing but `env` and TMPDIR. */
  readonly isExactEnv: boolean;
  /** Name of a variable that says the number of the Drone's slot, from 0. */
  readonly slotVariable: string | null;
  readonly stdin: Text | null;
  readonly keepStdout: number;
  readonly keepStderr: number;
  /** Exit codes that are no failure; null: any, and signals too. */
  readonly exitCodes: ReadonlySet<number> | null;
  /** Whether a failure has the command's result beside it. */
  readonly hasFailedResult: boolean;
  /** Milliseconds. Null: no limit of its own. */
  readonly timeoutMillis: number | null;
  readonly sandbox: unknown;
  /** A stream as input begins with the task's map. */
  readonly hasHead: boolean;
  /** Files and folders that every task has in its folder. */
  readonly baseFiles: readonly BaseFile[];
  /** Paths of what is given back. */
  readonly returns: readonly string[];
  /** What was put into a folder that stays, and given back, is removed from there. */
  readonly isCleaned: boolean;
}
export type BaseFile = FileEntry & { readonly blob: string | null };
export type Variables = Readonly<Record<string, Text>>;
export type What =
  | { readonly as: 'program'; readonly argv: readonly Text[] }
  | { readonly as: 'line'; readonly line: Text; readonly args: readonly Text[] };

/** One command, as the job and the task's input together say. */
export interface Order {
  readonly what: What;
  readonly cwd: string | null;
  /** The same object for all tasks that add none of their own. */
  readonly env: Variables;
  readonly stdin: Text | null;
  /** Files and folders whose bytes follow in the stream. */
  readonly files: readonly FileEntry[];
  /** So much of the stream is standard input; null: all of it. */
  readonly stdinBytes: number | null;
  readonly returns: readonly string[];
}

const KNOWN = new Set(
  'argv line args shell cwd env exactEnv slotVariable stdin keepStdout keepStderr exitCodes failedResult timeoutMillis sandbox head baseFiles returns cleanup'.split(
    ' ',
  ),
);
const KNOWN_OF_TASK = new Set('argv line args cwd env stdin files stdinBytes returns'.split(' '));
type Fail = (message: string) => TaskFailure;
const badParams: Fail = (message) => new TaskFailure('badParams', message);
type Plain = Readonly<Record<string, unknown>>;

/** @throws TaskFailure */
export function readParams(params: Plain): CommandParams {
  refuseUnknown(params, KNOWN, badParams);
  const { shell = DEFAULT_SHELL, exactEnv = false, head = false, cleanup = false } = params;
  const { failedResult = false } = params;
  if (typeof shell !== 'string' || !isAbsolute(shell))
    throw badParams('"shell" of command takes the absolute path of a shell.');
  return {
    what: whatOf(params, null, badParams),
    shell,
    cwd: folderOf(params['cwd'], badParams),
    env: variablesOf(params['env'], badParams),
    isExactEnv: flagOf('exactEnv', exactEnv),
    slotVariable: slotVariableOf(params['slotVariable']),
    stdin: stdinOf(params['stdin'], badParams),
    keepStdout: bytesOf('keepStdout', params['keepStdout']),
    keepStderr: bytesOf('keepStderr', params['keepStderr']),
    exitCodes: exitCodesOf(params['exitCodes']),
    hasFailedResult: flagOf('failedResult', failedResult),
    timeoutMillis: millisOf(params['timeoutMillis']),
    sandbox: params['sandbox'],
    hasHead: flagOf('head', head),
    baseFiles: baseFilesOf(params['baseFiles']),
    returns: returnsOf(params['returns'], badParams),
    isCleaned: flagOf('cleanup', cleanup),
  };
}

/** What this input makes of the job's command. `input` undefined: there is none but a stream. @throws TaskFailure */
export function orderOf(params: CommandParams, input: unknown): Order {
  const { what, cwd, env, stdin, returns } = params;
  const files = { files: NO_FILES, stdinBytes: null, returns };
  if (
    typeof input === 'object' &&
    input !== null &&
    !Array.isArray(input) &&
    !(input instanceof Uint8Array)
  ) {
    return mapOrder(params, input as Plain);
  }
  if (input instanceof Uint8Array) return { what: given(what), cwd, env, stdin: input, ...files };
  if (input === undefined || input === null) return { what: given(what), cwd, env, stdin, ...files };
  const words = Array.isArray(input) ? input : [input];
  const all = what === null ? fresh(input) : withArgs(what, textsOf(words, badInput));
  return { what: all, cwd, env, stdin, ...files };
}

function mapOrder(params: CommandParams, input: Plain): Order {
  refuseUnknown(input, KNOWN_OF_TASK, badInput);
  const own = variablesOf(input['env'], badInput);
  return {
    what: given(whatOf(input, params.what, badInput)),
    cwd: input['cwd'] === undefined ? params.cwd : folderOf(input['cwd'], badInput),
    env: Object.keys(own).length === 0 ? params.env : { ...params.env, ...own },
    stdin: input['stdin'] === undefined ? params.stdin : stdinOf(input['stdin'], badInput),
    files: input['files'] === undefined ? NO_FILES : filesOf(input['files'], badInput),
    stdinBytes: stdinBytesOf(input['stdinBytes']),
    returns: input['returns'] === undefined ? params.returns : returnsOf(input['returns'], badInput),
  };
}

const NO_FILES: readonly FileEntry[] = [];

function filesOf(value: unknown, fail: Fail): BaseFile[] {
  try {
    return readEntries(value);
  } catch (error) {
    if (error instanceof UsageError) throw fail(error.message);
    throw error;
  }
}

function baseFilesOf(value: unknown): readonly BaseFile[] {
  if (value === undefined) return [];
  const files = filesOf(value, badParams);
  const wrong = files.find(({ isFolder, blob }) => !isFolder && !isBlobHash(blob));
  if (wrong === undefined) return files;
  throw badParams(`The base file ${JSON.stringify(wrong.path)} is neither a folder nor a blob.`);
}

function returnsOf(value: unknown, fail: Fail): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw fail('"returns" of a command takes a list of paths.');
  for (const path of value) {
    const wrong = pathProblem(path);
    if (wrong !== null) throw fail(`The path ${JSON.stringify(path)} of "returns" ${wrong}.`);
  }
  return value as string[];
}

function stdinBytesOf(value: unknown): number | null {
  if (value === undefined) return null;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw badInput('"stdinBytes" of a command takes a number of bytes.');
}

function given(what: What | null): What {
  if (what !== null) return what;
  throw badInput(
    'There is no command: the input of this task is none, and its job has no "argv" or "line" in its params.',
  );
}

/** A text is a line for the shell, a list a program with its arguments. */
function fresh(input: unknown): What {
  if (typeof input === 'string') return { as: 'line', line: input, args: [] };
  if (Array.isArray(input)) return programOf(input, badInput);
  throw badInput(
    'A command is a text (a line for the shell), a list (a program and its arguments) or a map.',
  );
}

function whatOf({ argv, line, args }: Plain, otherwise: What | null, fail: Fail): What | null {
  if (argv !== undefined && line !== undefined)
    throw fail('Say either "argv" or "line" of a command, not both.');
  const more = args === undefined ? [] : textsOf(asList(args, '"args"', fail), fail);
  if (argv !== undefined) return withArgs(programOf(asList(argv, '"argv"', fail), fail), more);
  if (line !== undefined) return { as: 'line', line: textOf(line, fail), args: more };
  return otherwise === null ? null : withArgs(otherwise, more);
}

function withArgs(what: What, more: readonly Text[]): What {
  if (more.length === 0) return what;
  return what.as === 'program'
    ? { ...what, argv: [...what.argv, ...more] }
    : { ...what, args: [...what.args, ...more] };
}

function programOf(argv: readonly unknown[], fail: Fail): What {
  const texts = textsOf(argv, fail);
  if (texts.length === 0 || texts[0]!.length === 0)
    throw fail('A list that is a command begins with a program.');
  return { as: 'program', argv: texts };
}

function asList(value: unknown, name: string, fail: Fail): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw fail(`${name} of a command takes a list.`);
}

const textsOf = (values: readonly unknown[], fail: Fail): Text[] =>
  values.map((value) => textOf(value, fail));

function textOf(value: unknown, fail: Fail): Text {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  const isText =
    typeof text === 'string' ? !text.includes('\0') : text instanceof Uint8Array && !text.includes(0);
  if (isText) return text as Text;
  throw fail('The words of a command are texts, whole numbers or bytes, without a zero byte.');
}

function folderOf(value: unknown, fail: Fail): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string' && isAbsolute(value) && !value.includes('\0')) return value;
  throw fail('"cwd" of a command takes the absolute path of a folder.');
}

function variablesOf(value: unknown, fail: Fail): Variables {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw fail('"env" of a command takes a map of names to texts.');
  const variables: Record<string, Text> = {};
  for (const [name, text] of Object.entries(value)) {
    if (name === '' || /[=\0]/.test(name))
      throw fail(`"${name.slice(0, 64)}" cannot be the name of a variable.`);
    variables[name] = textOf(text, fail);
  }
  return variables;
}

function slotVariableOf(value: unknown): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string' && /^[A-Za-z_]\w*$/.test(value)) return value;
  throw badParams('"slotVariable" of command takes the name of a variable.');
}

function stdinOf(value: unknown, fail: Fail): Text | null {
  if (value === undefined) return null;
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  throw fail('"stdin" of a command takes bytes or text.');
}

function flagOf(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw badParams(`"${name}" of command is true or false.`);
}

function bytesOf(name: string, value: unknown): number {
  if (value === undefined) return KEEP_BYTES;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= KEEP_BYTES_MAX)
    return value as number;
  throw badParams(`"${name}" of command takes a number of bytes from 0 to ${KEEP_BYTES_MAX}.`);
}

function exitCodesOf(value: unknown): ReadonlySet<number> | null {
  if (value === undefined) return new Set([0]);
  if (value === 'any') return null;
  const isCode = (code: unknown) => Number.isInteger(code) && (code as number) >= 0 && (code as number) < 256;
  if (Array.isArray(value) && value.length > 0 && value.every(isCode)) return new Set(value);
  throw badParams('"exitCodes" of command takes "any", or a list of exit codes that are no failure.');
}

function millisOf(value: unknown): number | null {
  if (value === undefined) return null;
  if (typeof value === 'number' && value > 0 && value <= Number.MAX_SAFE_INTEGER) return value;
  throw badParams('"timeoutMillis" of command takes a number of milliseconds above 0.');
}

function refuseUnknown(map: Plain, known: ReadonlySet<string>, fail: Fail): void {
  const unknown = Object.keys(map).find((key) => !known.has(key));
  if (unknown === undefined) return;
  const name = unknown.slice(0, LIMITS.nameMax);
  throw fail(`A command has no "${name}". There are ${[...known].join(', ')}.`);
}
