/**
 * What a command gives: a msgpack map of small entries, with `stderr` and `stdout` last, read from their files. A result
 * of up to 1 MiB is read straight into the ring; a larger one goes to the output's file piece by piece, so that nothing
 * of it is held in memory.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { encodeMsgpack, entryToWire, LIMITS } from '@hive/shared';
import { TaskFailure } from '../kinds/failure.ts';
import type { Task } from '../kinds/kind.ts';
import type { Ended, Usage } from './launch.ts';
import { openReturned, type Returned } from './place-files.ts';

const PIECE_BYTES = 256 * 1024;
const FIXMAP_ENTRIES_MAX = 15;

/** What is kept of an output: its beginning and its end. */
export interface Kept {
  /** Null: nothing was to be kept. */
  readonly file: number | null;
  readonly headBytes: number;
  readonly tailBytes: number;
  /** Where the tail begins in the file. */
  readonly tailAt: number;
  /** Bytes between the two, which are left out. */
  readonly cutBytes: number;
}

/** The first half and the last half of at most `max` bytes. */
export function keptOf(file: number | null, max: number): Kept {
  const size = file === null ? 0 : fstatSync(file).size;
  if (size <= max) return { file, headBytes: size, tailBytes: 0, tailAt: size, cutBytes: 0 };
  const headBytes = Math.ceil(max / 2);
  const tailBytes = max - headBytes;
  return { file, headBytes, tailBytes, tailAt: size - tailBytes, cutBytes: size - max };
}
const bytesOf = ({ headBytes, tailBytes }: Kept): number => headBytes + tailBytes;

/** Times in milliseconds since 1970. */
export interface Outcome extends Ended {
  readonly isTimedOut: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
}

/**
 * The task's output is the whole map.
 * @param returned files that are given back; null: none were asked for. @throws TaskFailure when one cannot be read
 * @param bytesMax of a result that is no stream
 */
export function putResult(
  task: Task,
  outcome: Outcome,
  stdout: Kept,
  stderr: Kept,
  returned: readonly Returned[] | null,
  bytesMax: number = LIMITS.valueBytesMax,
): void {
  const head = headOf(outcome, stdout, stderr, returned === null ? 2 : 4);
  const files = returned === null ? null : new ReturnedEntries(returned);
  const stderrHead = entryHead('stderr', bytesOf(stderr));
  const stdoutHead = entryHead('stdout', bytesOf(stdout));
  const size =
    head.length +
    stderrHead.length +
    bytesOf(stderr) +
    stdoutHead.length +
    bytesOf(stdout) +
    (files?.bytes ?? 0);
  const to = size <= bytesMax ? new IntoRing(task, size) : new IntoFile(task, 'encoded');
  to.bytes(head);
  to.bytes(stderrHead);
  to.kept(stderr);
  to.bytes(stdoutHead);
  to.kept(stdout);
  files?.write(to);
}

/** The task's output is what the command printed: for the encoding `raw`. */
export function putPrinted(task: Task, stdout: Kept): void {
  const size = bytesOf(stdout);
  const to = size <= LIMITS.valueBytesMax ? new IntoRing(task, size) : new IntoFile(task, 'raw');
  to.kept(stdout);
}

/** The last bytes of what a command said on its standard error, as text. */
export function endOfText({ file }: Kept, bytesMax: number): string {
  if (file === null) return '';
  const { size } = fstatSync(file);
  const bytes = Buffer.alloc(Math.min(size, bytesMax));
  readFully(file, bytes, 0, bytes.length, size - bytes.length);
  const text = bytes.toString().trimEnd();
  return size > bytesMax ? `…${text.replace(/^\ufffd+/, '')}` : text;
}

function headOf(outcome: Outcome, stdout: Kept, stderr: Kept, more: 2 | 4): Buffer {
  const { exitCode, signal, isTimedOut, startedAt, endedAt, usage } = outcome;
  const encoded = encodeMsgpack({
    ...(exitCode === null ? {} : { exitCode }),
    ...(signal === null ? {} : { signal }),
    ...(isTimedOut ? { timedOut: true } : {}),
    startedAt,
    endedAt,
    ...(usage === null ? {} : usageEntries(usage)),
    ...(stdout.cutBytes === 0 ? {} : { stdoutCut: { at: stdout.headBytes, bytes: stdout.cutBytes } }),
    ...(stderr.cutBytes === 0 ? {} : { stderrCut: { at: stderr.headBytes, bytes: stderr.cutBytes } }),
  });
  // Other entries follow: a small map has its number of entries in its first byte.
  const entries = (encoded[0]! & FIXMAP_ENTRIES_MAX) + more;
  const head = Buffer.from(encoded);
  head[0] = 0x80 | entries;
  return head;
}

function usageEntries({ userMicros, systemMicros, maxRssBytes }: Usage) {
  return { userMicros, systemMicros, ...(maxRssBytes === null ? {} : { maxRssBytes }) };
}

/** The name of an entry, and the header of a byte string. */
function entryHead(name: string, bytes: number): Buffer {
  const head = Buffer.alloc(1 + name.length + 5);
  head[0] = 0xa0 | name.length;
  head.write(name, 1, 'latin1');
  return binaryHead(head, 1 + name.length, bytes);
}

/** The header of a byte string, behind what stands in `head` already. */
function binaryHead(head: Buffer, at: number, bytes: number): Buffer {
  if (bytes < 0x100) {
    head[at] = 0xc4;
    head[at + 1] = bytes;
    return head.subarray(0, at + 2);
  }
  if (bytes < 0x1_0000) {
    head[at] = 0xc5;
    head.writeUInt16BE(bytes, at + 1);
    return head.subarray(0, at + 3);
  }
  head[at] = 0xc6;
  head.writeUInt32BE(bytes, at + 1);
  return head;
}

/**
 * The last two entries where files are given back: `files`, a byte string with the list of them in msgpack, and `contents`, a
 * list of byte strings, which are the files' bytes end to end; those of large files are cut, for no byte string has 4 GiB.
 */
class ReturnedEntries {
  readonly bytes: number;
  readonly #head: Buffer;
  readonly #files: readonly Extract<Returned, { path: string }>[];

  constructor(returned: readonly Returned[]) {
    const list = encodeMsgpack(
      returned.map((one) =>
        'entry' in one ? entryToWire(one.entry) : { path: one.missing, missing: one.why },
      ),
    );
    this.#files = returned.flatMap((one) => ('entry' in one && one.entry.bytes > 0 ? [one] : []));
    const strings = this.#files.flatMap(({ entry }) => cutsOf(entry.bytes));
    const name = Buffer.from('\u00a8contents\u00dd\0\0\0\0', 'latin1');
    name.writeUInt32BE(strings.length, name.length - 4);
    this.#head = Buffer.concat([entryHead('files', list.length), list, name]);
    this.bytes = strings.reduce((sum, n) => sum + PIECE_HEAD_BYTES + n, this.#head.length);
  }

  write(to: IntoRing | IntoFile): void {
    to.bytes(this.#head);
    for (const { entry, path } of this.#files) {
      const file = openReturned(path, entry.bytes);
      if (file === null)
        throw new TaskFailure(
          'returnFailed',
          `The file ${entry.path} changed while it was given back.`,
          true,
        );
      try {
        let at = 0;
        for (const bytes of cutsOf(entry.bytes)) {
          const head = Buffer.alloc(PIECE_HEAD_BYTES, 0xc6);
          head.writeUInt32BE(bytes, 1);
          to.bytes(head);
          to.part(file, bytes, at);
          at += bytes;
        }
      } finally {
        closeSync(file);
      }
    }
  }
}
/** Bytes of one byte string at most; all have the longest header. */
const CUT_BYTES = 2 ** 30;
const PIECE_HEAD_BYTES = 5;

function cutsOf(bytes: number): number[] {
  const cuts: number[] = [];
  for (let left = bytes; left > 0; left -= CUT_BYTES) cuts.push(Math.min(left, CUT_BYTES));
  return cuts;
}

class IntoRing {
  readonly #out: Buffer;
  #at: number;

  constructor(task: Task, size: number) {
    this.#at = task.reserve(size);
    this.#out = task.out;
  }
  bytes(bytes: Uint8Array): void {
    this.#out.set(bytes, this.#at);
    this.#at += bytes.length;
  }
  kept({ file, headBytes, tailBytes, tailAt }: Kept): void {
    if (file === null) return;
    this.part(file, headBytes, 0);
    this.part(file, tailBytes, tailAt);
  }
  part(file: number, bytes: number, from: number): void {
    if (bytes === 0) return;
    readFully(file, this.#out, this.#at, bytes, from);
    this.#at += bytes;
  }
}

class IntoFile {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);

  constructor(task: Task, as: 'encoded' | 'raw') {
    this.#write = as === 'encoded' ? (bytes) => task.writeEncoded(bytes) : (bytes) => task.write(bytes);
  }
  bytes(bytes: Uint8Array): void {
    this.#write(bytes);
  }
  kept({ file, headBytes, tailBytes, tailAt }: Kept): void {
    if (file === null) return;
    this.part(file, headBytes, 0);
    this.part(file, tailBytes, tailAt);
  }
  part(file: number, bytes: number, from: number): void {
    for (let done = 0; done < bytes; ) {
      const count = Math.min(bytes - done, PIECE_BYTES);
      readFully(file, this.#piece, 0, count, from + done);
      this.#write(this.#piece.subarray(0, count));
      done += count;
    }
  }
}

/** Whoever still writes to the file may have made it shorter; what is not there is read as zeros. */
function readFully(file: number, into: Buffer, at: number, bytes: number, from: number): void {
  for (let done = 0; done < bytes; ) {
    const count = readSync(file, into, at + done, bytes - done, from + done);
    if (count === 0) {
      into.fill(0, at + done, at + bytes);
      return;
    }
    done += count;
  }
}
