/** What the options say, with names, units and defaults, checked: from here on nobody reads options. */
import { type SandboxWish, UsageError } from '@hive/shared';
import { type ByteText, byteText } from '../byte-text.ts';
import { columnPattern, type Trim } from '../input/columns.ts';
import type { RecordRules } from '../input/records.ts';
import type { Separators } from '../input/separators.ts';
import type { Parentheses } from '../template/template.ts';
import { checkCombinations } from './combinations.ts';
import type { OptionValues } from './option-parser.ts';
import {
  type Halt,
  parseDuration,
  parseHalt,
  parseSize,
  parseSlots,
  unescaped,
  unescapedSeparator,
} from './quantities.ts';
import { sandboxWishOf } from './sandbox-wish.ts';

export interface RunSettings {
  readonly input: InputSettings;
  readonly command: CommandSettings;
  /** Null: values become commands; else standard input is cut into blocks. */
  readonly pipe: PipeSettings | null;
  readonly execution: ExecutionSettings;
  readonly output: OutputSettings;
}

export interface InputSettings {
  readonly files: readonly string[];
  readonly separators: Separators;
  readonly records: RecordRules;
  readonly isAllLinked: boolean;
  readonly skipsFirstLine: boolean;
  /** `names`: the first row names the columns; `files`: the files' names do. */
  readonly header: 'none' | 'names' | 'files';
  readonly columns: RegExp | null;
  readonly trim: Trim;
  /** How many are put into one command; null: as many as fit. */
  readonly rowsMax: number | null;
  /** Values are read and leave nothing behind (-N0). */
  readonly isDiscarding: boolean;
  readonly spreads: boolean;
  readonly lineBytesMax: number | null;
}

export interface CommandSettings {
  /** What an option calls a sign instead. */
  readonly signs: ReadonlyMap<string, string>;
  readonly hasPlus: boolean;
  /** Signs of the person's own, and what of Perl each stands for. */
  readonly ownSigns: ReadonlyMap<string, string>;
  readonly parentheses: Parentheses;
  readonly repeatsContext: boolean;
  readonly quotesWords: boolean;
  readonly tag: ByteText | null;
  readonly folder: ByteText | null;
  readonly transfer: readonly ByteText[];
  readonly return: readonly ByteText[];
  readonly slotVariable: string;
}

export interface PipeSettings {
  readonly blockBytes: number;
  readonly recordStart: string;
  readonly recordEnd: string;
  readonly isPattern: boolean;
  /** Records in a block; null: as many as fit. */
  readonly records: number | null;
  /** Lines in a record. */
  readonly lines: number | null;
  readonly removesSeparators: boolean;
  /** Number of lines, or a pattern, that begin every block; null: none. */
  readonly header: number | string | null;
  readonly skipsFirstLine: boolean;
}

export interface ExecutionSettings {
  readonly isDryRun: boolean;
  readonly slots: number;
  readonly attempts: number;
  readonly timeoutMillis: number | null;
  readonly delayMillis: number;
  readonly halt: Halt | null;
  readonly baseFiles: readonly string[];
  readonly cleanup: boolean;
  readonly carriedEnv: readonly string[];
  /** What commands are to be shut in; null: nothing, but for what a Drone's operator demands. */
  readonly sandbox: SandboxWish | null;
  readonly total: number | null;
  readonly resume: 'no' | 'unfinished' | 'failed' | 'failedOfLog';
}

export interface OutputSettings {
  readonly mode: 'group' | 'lines' | 'ungroup';
  readonly isOrdered: boolean;
  readonly printsCommand: boolean;
  readonly tellsCommand: boolean;
  readonly joblog: { readonly path: string; readonly appends: boolean } | null;
  readonly results: ByteText | null;
  readonly progress: 'none' | 'bar' | 'eta' | 'line';
}

/** @param cpus what `-j 100%` means. @throws UsageError */
export function settingsOf(values: OptionValues, cpus: number): RunSettings {
  const given = new Given(values);
  checkCombinations(values);
  return {
    input: inputOf(given),
    command: commandOf(given),
    pipe: given.has('pipe') ? pipeOf(given) : null,
    execution: { ...executionOf(given, cpus), sandbox: sandboxWishOf(values) },
    output: outputOf(given),
  };
}

class Given {
  readonly #values: OptionValues;
  constructor(values: OptionValues) {
    this.#values = values;
  }
  has(name: string): boolean {
    return this.#values.has(name);
  }
  text(name: string): string | null {
    return this.#values.get(name)?.at(-1) ?? null;
  }
  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
  size(name: string, shown: string): number | null {
    const text = this.text(name);
    return text === null ? null : parseSize(shown, text);
  }
}

function inputOf(given: Given): InputSettings {
  const lines = given.size('L', '-L') ?? linesOf(given);
  const most =
    given.size('max-replace-args', '-N') ??
    given.size('max-args', '-n') ??
    (given.has('pipe') ? null : lines);
  const isPacked = given.has('X') || given.has('m') || given.has('xargs');
  const header = given.text('header');
  const columns = given.text('col-sep') ?? (header === null ? null : '\t');
  return {
    files: given.list('arg-file'),
    separators: { values: given.text('arg-sep') ?? ':::', files: given.text('arg-file-sep') ?? '::::' },
    records: {
      delimiter: delimiterOf(given),
      end: endMarkOf(given),
      skipsEmpty: given.has('no-run-if-empty'),
      joinsOpen: lines !== null && !given.has('pipe'),
    },
    isAllLinked: given.has('link'),
    skipsFirstLine: given.has('skip-first-line'),
    header: header === null ? 'none' : header === '0' ? 'files' : 'names',
    columns: columns === null ? null : columnPattern(columns),
    trim: trimOf(given),
    rowsMax: most !== null && most > 0 ? most : isPacked ? null : 1,
    isDiscarding: most === 0,
    spreads: given.has('X') || given.has('m'),
    lineBytesMax: given.size('max-chars', '-s'),
  };
}

/** -l without a number is one line. */
function linesOf(given: Given): number | null {
  const text = given.text('max-lines');
  if (text === null) return null;
  return text === '' ? 1 : parseSize('-l', text) || 1;
}

function delimiterOf(given: Given): ByteText {
  const text = given.text('delimiter');
  if (text === '')
    throw new UsageError('-d needs at least one character; for records that NUL ends, use -0.');
  if (text !== null) return byteText(unescaped(text));
  return given.has('null') ? '\0' : '\n';
}

function endMarkOf(given: Given): ByteText | null {
  const text = given.text('eof') ?? given.text('E');
  return text === null || text === '' ? null : byteText(text);
}

function trimOf(given: Given): Trim {
  const text = given.text('trim') ?? (given.has('col-sep') ? 'lr' : 'n');
  if (text === 'n' || text === 'l' || text === 'r' || text === 'lr') return text;
  if (text === 'rl') return 'lr';
  throw new UsageError('--trim takes n, l, r, lr or rl.');
}

function commandOf(given: Given): CommandSettings {
  const names = ['I', 'seqreplace', 'slotreplace', 'basenamereplace', 'dirnamereplace'];
  names.push('basenameextensionreplace', 'extensionreplace');
  const signs = new Map<string, string>();
  for (const name of names) {
    const text = given.text(name);
    if (text !== null) signs.set(name, byteText(text));
  }
  const old = given.text('replace');
  if (old !== null && old !== '') signs.set('I', byteText(old));
  const tag = given.text('tag-string') ?? (given.has('tag') ? '{}' : null);
  const whole = given.text('replace') || given.text('I') || '{}';
  const transfer = [...(given.has('transfer') ? [whole] : []), ...given.list('transfer-file')];
  if (given.has('trc') && transfer.length === 0) transfer.push(whole);
  const packs = given.has('xargs') || given.has('m');
  const folder = given.text('work-dir');
  return {
    signs,
    hasPlus: given.has('plus'),
    ownSigns: new Map(given.list('rpl').map(ownSign)),
    parentheses: parenthesesOf(given.text('parens') ?? '{==}'),
    repeatsContext: given.has('X') || given.has('max-replace-args') || (given.has('L') && !packs),
    quotesWords: given.has('quote'),
    tag: tag === null ? null : byteText(unescaped(tag)),
    folder: folder === null ? null : byteText(folder),
    transfer: transfer.map(byteText),
    return: [...given.list('return'), ...given.list('trc')].map(byteText),
    slotVariable: given.text('process-slot-var') ?? 'PARALLEL_JOBSLOT0',
  };
}

/** `{x} s/a/b/`: the sign and its meaning. */
function ownSign(text: string): [sign: string, code: string] {
  const [, sign, code] = /^(\S+)(?:\s(.*))?$/s.exec(text) ?? [];
  if (sign === undefined || sign.includes('('))
    throw new UsageError(
      `--rpl "${text}" is not supported: write a sign without parentheses, a space, and s/…/…/.`,
    );
  return [byteText(sign), byteText(code ?? '')];
}

function parenthesesOf(text: string): Parentheses {
  const half = Math.floor(text.length / 2);
  if (half === 0) throw new UsageError('--parens takes both parentheses, such as ,,,, or [==].');
  return [byteText(text.slice(0, half)), byteText(text.slice(half))];
}

function pipeOf(given: Given): PipeSettings {
  const start = given.text('recstart');
  const end = given.text('recend');
  const isPattern = given.has('regexp');
  const written = isPattern ? (text: string) => text : unescapedSeparator;
  const header = given.text('header');
  return {
    blockBytes: given.size('block-size', '--block') ?? 1024 * 1024,
    recordStart: byteText(written(start ?? '')),
    recordEnd: byteText(written(end ?? (start === null ? '\n' : ''))),
    isPattern,
    records: given.size('max-replace-args', '-N') ?? given.size('max-args', '-n'),
    lines: given.size('L', '-L') ?? linesOf(given),
    removesSeparators: given.has('remove-rec-sep'),
    header:
      header === null ? null : header === ':' ? 1 : /^\d+$/.test(header) ? Number(header) : byteText(header),
    skipsFirstLine: given.has('skip-first-line'),
  };
}

function executionOf(given: Given, cpus: number): Omit<ExecutionSettings, 'sandbox'> {
  const timeout = given.text('timeout');
  const delay = given.text('delay');
  const halt = given.text('halt-on-error');
  const total = given.text('total-jobs');
  return {
    isDryRun: given.has('dry-run'),
    slots: parseSlots(given.text('jobs') ?? '100%', cpus),
    attempts: attemptsOf(given.text('retries')),
    timeoutMillis: timeout === null ? null : parseDuration('--timeout', timeout),
    delayMillis: delay === null ? 0 : parseDuration('--delay', delay),
    halt: halt === null ? null : parseHalt(halt),
    baseFiles: given.list('basefile'),
    cleanup: given.has('cleanup') || given.has('trc'),
    carriedEnv: given.list('env').flatMap((names) => names.split(',')),
    total: total === null ? null : parseSize('--total-jobs', total),
    resume: resumeOf(given),
  };
}

/** GNU parallel counts tries, not repetitions. */
function attemptsOf(text: string | null): number {
  if (text === null) return 1;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new UsageError(
    text === '0'
      ? '--retries 0, for ever, is not supported: say how many tries there may be.'
      : `--retries takes the number of tries, not "${text}".`,
  );
}

function resumeOf(given: Given): ExecutionSettings['resume'] {
  if (given.has('retry-failed')) return 'failedOfLog';
  if (given.has('resume-failed')) return 'failed';
  return given.has('resume') ? 'unfinished' : 'no';
}

function outputOf(given: Given): OutputSettings {
  const joblog = given.text('joblog');
  const results = given.text('results');
  const mode = given.has('ungroup') ? 'ungroup' : given.has('line-buffer') ? 'lines' : 'group';
  return {
    mode: given.has('dry-run') ? 'group' : mode,
    isOrdered: given.has('keep-order') && !given.has('no-keep-order'),
    printsCommand: given.has('v') && !given.has('silent'),
    tellsCommand: given.has('verbose'),
    joblog: joblog === null ? null : { path: joblog.replace(/^\+/, ''), appends: joblog.startsWith('+') },
    results: results === null ? null : byteText(results),
    progress: given.has('bar') ? 'bar' : given.has('eta') ? 'eta' : given.has('progress') ? 'line' : 'none',
  };
}
