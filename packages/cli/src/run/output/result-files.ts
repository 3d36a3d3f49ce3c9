/** --results: what each command wrote, in files of its own instead of on the terminal, laid out as GNU parallel does it. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from '@hive/shared';
import { type ByteText, bytesOf } from '../byte-text.ts';
import type { Sink } from './sink.ts';

export interface ResultFiles {
  readonly stdout: Sink;
  readonly stderr: Sink;
  close(): void;
}

/**
 * @param results what names are appended to; a file's name if it does not end in a slash
 * @throws UsageError for what cannot be written
 */
export function openResultFiles(
  results: ByteText,
  seq: number,
  resolvePath: (path: string) => string,
): ResultFiles {
  const base = resolvePath(bytesOf(results).toString('utf8'));
  const names = results.endsWith('/')
    ? { stdout: `${base}/stdout`, stderr: `${base}/stderr`, seq: `${base}/seq` }
    : { stdout: base, stderr: `${base}.err`, seq: `${base}.seq` };
  try {
    mkdirSync(dirname(names.stdout), { recursive: true });
    writeFileSync(names.seq, String(seq));
    const files = [openSync(names.stdout, 'w'), openSync(names.stderr, 'w')] as const;
    const [stdout, stderr] = files.map(
      (file): Sink => ({ write: async (bytes) => void writeAll(file, bytes) }),
    );
    return {
      stdout: stdout!,
      stderr: stderr!,
      close: () => files.forEach((file) => void closeSync(file)),
    };
  } catch (error) {
    throw new UsageError(
      `--results: ${(error as Error).message}. Name a folder that can be written to.`,
      'badResults',
      {
        cause: error,
      },
    );
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
