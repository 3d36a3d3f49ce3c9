/**
 * What one `hive hash` works on: files (file-work.ts), lists of digests (check-work.ts), lines of files (line-work.ts) or
 * integers (range-work.ts). Each gives the job its inputs and turns each result, which arrives in the inputs' order, into what is printed.
 */
import type { StreamSource } from '@hive/client';
import type { Range } from '../job/range.ts';
import type { About } from './json-lines.ts';
import { quoteName } from './quote.ts';
import { describeSystemError } from './system-error.ts';

export type Input = Uint8Array | StreamSource;

/** One result as the job gives it. */
export interface Hashed {
  readonly index: number;
  /** In hexadecimal. */
  readonly digest: string | null;
  /** Why there is no digest. */
  readonly message: string;
}

export interface Work {
  /** How inputs and digests travel. */
  readonly encoding: 'raw' | 'msgpack';
  /** What the tasks get. */
  source(): { readonly inputs: AsyncGenerator<Input> } | { readonly range: Range };
  /** What to print for a result; null when there was an error instead, which has been reported. */
  print(result: Hashed): Uint8Array | null;
  /** Reports what is left once all results were printed. */
  end(): void;
}

export interface Format {
  /** `SHA256` when lines are BSD-style. */
  readonly tag: string | null;
  /** Names are marked with an asterisk. */
  readonly isBinary: boolean;
  /** Lines end with NUL, and names are not escaped. */
  readonly isZeroEnded: boolean;
  /** The algorithm when lines are JSON objects, which name it. */
  readonly json: string | null;
}

/** Says what is wrong with one file, for people or for programs; the rest goes on, and the exit code will be 1. */
export type Complain = (text: string, trouble: About & { readonly error: string }) => void;

export function complainAbout(name: Buffer, error: NodeJS.ErrnoException, complain: Complain): void {
  const text = describeSystemError(error);
  complain(`${quoteName(name)}: ${text}`, { name, error: text });
}
