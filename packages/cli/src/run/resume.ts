/** What an earlier run has done, as its job log or its folder of results tells: for --resume, --resume-failed and --retry-failed. */
import { existsSync, readFileSync } from 'node:fs';
import { UsageError } from '@hive/shared';
import { type ByteText, bytesOf, bytesToByteText } from './byte-text.ts';
import type { ExecutionSettings } from './options/settings.ts';

export interface DoneBefore {
  has(seq: number): boolean;
  /** @param results what names of files are appended to; null without --results */
  hasResults(results: ByteText | null): boolean;
}

export interface EarlierRun extends DoneBefore {
  /** Whether the log goes on. */
  readonly isLogged: boolean;
  /** Commands that failed, by number, in that order. */
  readonly failed: readonly (readonly [seq: number, line: ByteText])[];
}

export const NOTHING_DONE: EarlierRun = {
  isLogged: false,
  failed: [],
  has: () => false,
  hasResults: () => false,
};

/** One bit for each command, as a job log may be long. */
class Numbers {
  #bits = new Uint8Array(1_024);

  add(number: number): void {
    const at = number >>> 3;
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, this.#bits.length * 2));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits[at]! |= 1 << (number & 7);
  }
  has(number: number): boolean {
    return ((this.#bits[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }
}

const LINE = /^(\d+)\t[^\t]*\t\s*[-0-9.]+\t\s*[-0-9.]+\t[-0-9]+\t[-0-9]+\t([-0-9]+)\t([-0-9]+)\t(.*)$/s;

/**
 * @param path of the job log, resolved; null without one
 * @throws UsageError for a log in another format
 */
export function readEarlierRun(
  resume: ExecutionSettings['resume'],
  path: string | null,
  resolvePath: (path: string) => string,
): EarlierRun {
  if (resume === 'no') return NOTHING_DONE;
  const done = new Numbers();
  const failed = new Map<number, ByteText>();
  const lines = path === null ? [] : linesOf(path);
  for (const line of lines.slice(1)) {
    const found = LINE.exec(line);
    if (found === null)
      throw new UsageError(
        `The job log ${path} is not in GNU parallel's format: "${line.slice(0, 60)}".`,
        'badJoblog',
      );
    const [, seq, exitCode, signal, command] = found;
    const isFailed = exitCode !== '0' || signal !== '0';
    if (isFailed) failed.set(Number(seq), command!.replaceAll('\0', '\n'));
    if (!isFailed || resume === 'unfinished') done.add(Number(seq));
  }
  const checksResults = path === null;
  return {
    isLogged: lines.length > 0,
    failed: [...failed].filter(([seq]) => !done.has(seq)).sort(([a], [b]) => a - b),
    has: (seq) => done.has(seq),
    hasResults: (results) => {
      if (!checksResults || results === null) return false;
      const file = bytesOf(results).toString('utf8');
      return existsSync(resolvePath(file.endsWith('/') ? `${file}stdout` : file));
    },
  };
}

function linesOf(path: string): ByteText[] {
  try {
    const lines = bytesToByteText(readFileSync(path)).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new UsageError(`The job log ${path} cannot be read: ${(error as Error).message}.`, 'badJoblog');
  }
}
