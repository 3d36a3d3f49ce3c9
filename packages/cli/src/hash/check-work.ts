/** Checking lists of digests, as `sha256sum -c` does: its lines, its warnings, its exit code; hashing is the Drones'. */
import type { Progress } from '../progress.ts';
import { ListReader } from './check-list.ts';
import { isStandardInput, readChunks } from './contents.ts';
import { causeOf, type Entry, FileQueue, type Wanted } from './file-queue.ts';
import { jsonLine } from './json-lines.ts';
import { splitLines } from './lines.ts';
import { escapeName, quoteName } from './quote.ts';
import { isSpooled } from './spool.ts';
import { describeSystemError, isSystemError } from './system-error.ts';
import type { Hashed, Work } from './work.ts';

export interface CheckOptions {
  /** Nothing on standard output, no summaries. */
  readonly isSilent: boolean;
  /** No `OK` lines. */
  readonly isQuiet: boolean;
  /** Say which lines are malformed. */
  readonly warns: boolean;
  /** Malformed lines are a failure. */
  readonly isStrict: boolean;
  /** Files that are not there are passed over. */
  readonly ignoresMissing: boolean;
  /** One JSON object per file. */
  readonly isJson: boolean;
}
/** Where a check says what it found. */
export interface CheckHost {
  write(bytes: Uint8Array): void;
  /** On standard error, after all that was written before. */
  warn(text: string): void;
  /** The exit code will be 1. */
  fail(): void;
}

/** One list, and what became of its lines so far. */
interface List {
  readonly name: string;
  isFormatted: boolean;
  misformatted: number;
  unreadable: number;
  mismatched: number;
  hasMatched: boolean;
}
/** What an entry is about: a line of a list, or its end. */
type About =
  | { readonly type: 'file'; readonly list: List; readonly digest: string }
  | { readonly type: 'malformed'; readonly list: List; readonly line: number }
  | { readonly type: 'ended'; readonly list: List; readonly error: string | null };

const NEWLINE = 0x0a;

export class CheckWork implements Work {
  readonly encoding = 'msgpack';
  readonly #lists: readonly Buffer[];
  readonly #algorithm: string;
  readonly #options: CheckOptions;
  readonly #host: CheckHost;
  readonly #reader: ListReader;
  readonly #files: FileQueue<About>;

  constructor(
    lists: readonly Buffer[],
    algorithm: string,
    options: CheckOptions,
    progress: Progress,
    host: CheckHost,
  ) {
    this.#lists = lists;
    this.#algorithm = algorithm;
    this.#options = options;
    this.#host = host;
    this.#reader = new ListReader(algorithm);
    this.#files = new FileQueue(progress, (entry) => this.#passed(entry));
  }

  source() {
    return { inputs: this.#files.inputs(this.#find()) };
  }

  print({ index, digest, message }: Hashed): Uint8Array | null {
    const entry = this.#files.take(index);
    if (digest === null) this.#unreadable(entry, message);
    else this.#compare(entry, digest);
    return null;
  }

  end(): void {
    this.#files.end();
  }

  async *#find(): AsyncGenerator<Wanted<About>> {
    for (const path of this.#lists) {
      const isInput = isStandardInput(path);
      const list = newList(quoteName(isInput ? Buffer.from('standard input') : path));
      let error: string | null = null;
      try {
        yield* this.#lines(path, list, isInput);
      } catch (cause) {
        if (!isSystemError(cause)) throw cause;
        error = cause.syscall === 'read' ? 'read error' : describeSystemError(cause);
      }
      yield { path: null, about: { type: 'ended', list, error } };
    }
  }

  async *#lines(path: Buffer, list: List, isInput: boolean): AsyncGenerator<Wanted<About>> {
    let line = 0;
    for await (const bytes of splitLines(readChunks(path, this.#files.input), NEWLINE, this.#files.spool)) {
      line++;
      if (!isSpooled(bytes) && ListReader.isBlank(bytes)) continue;
      // A line of more than 1 MiB names no file.
      const listed = isSpooled(bytes) ? null : this.#reader.read(bytes);
      if (isSpooled(bytes)) await this.#files.spool.remove(bytes);
      if (listed === null || (isInput && isStandardInput(listed.name)))
        yield { path: null, about: { type: 'malformed', list, line } };
      else yield { path: listed.name, about: { type: 'file', list, digest: listed.digest.toLowerCase() } };
    }
  }

  #passed(entry: Entry<About>): void {
    const { about } = entry;
    if (about.type === 'file') this.#unreadable(entry, '');
    else if (about.type === 'ended') this.#ended(about.list, about.error);
    else {
      about.list.misformatted++;
      if (!this.#options.warns) return;
      const text = `improperly formatted ${this.#reader.tag} checksum line`;
      this.#host.warn(`${about.list.name}: ${about.line}: ${text}`);
    }
  }

  #compare({ about, path }: Entry<About>, digest: string): void {
    if (about.type !== 'file') return;
    const { list } = about;
    const isMatch = digest === about.digest;
    list.isFormatted = true;
    if (isMatch) list.hasMatched = true;
    else list.mismatched++;
    if (isMatch && this.#options.isQuiet) return;
    if (this.#options.isJson) this.#tell(path!, { result: isMatch ? 'ok' : 'failed' });
    else this.#say(path!, isMatch ? 'OK' : 'FAILED');
  }

  #unreadable(entry: Entry<About>, message: string): void {
    const { list } = entry.about;
    const name = entry.path!;
    const cause = causeOf(entry);
    list.isFormatted = true;
    if (this.#options.ignoresMissing && cause?.code === 'ENOENT') return;
    list.unreadable++;
    const error = cause === null ? message : describeSystemError(cause);
    if (this.#options.isJson) this.#tell(name, { result: 'unreadable', error });
    else {
      this.#host.warn(`${quoteName(name)}: ${error}`);
      this.#say(name, 'FAILED open or read');
    }
  }

  #say(name: Buffer, text: string): void {
    if (this.#options.isSilent) return;
    // Only a newline would break the line, so only then is anything escaped; otherwise than in a list.
    const { bytes, isEscaped } = name.includes(NEWLINE)
      ? escapeName(name)
      : { bytes: name, isEscaped: false };
    this.#host.write(Buffer.concat([Buffer.from(isEscaped ? '\\' : ''), bytes, Buffer.from(`: ${text}\n`)]));
  }

  #tell(name: Buffer, finding: Parameters<typeof jsonLine>[2]): void {
    if (!this.#options.isSilent) this.#host.write(jsonLine(this.#algorithm, { name }, finding));
  }

  #ended(list: List, error: string | null): void {
    const { isSilent, isStrict, ignoresMissing } = this.#options;
    const { name, isFormatted, misformatted, unreadable, mismatched, hasMatched } = list;
    const warn = (text: string) => this.#host.warn(text);
    if (error !== null) warn(`${name}: ${error}`);
    else if (!isFormatted) warn(`${name}: no properly formatted checksum lines found`);
    else if (!isSilent) for (const text of summaries(list)) warn(text);
    const isUnverified = ignoresMissing && !hasMatched;
    if (error === null && isFormatted && !isSilent && isUnverified) warn(`${name}: no file was verified`);
    const isWrong = error !== null || !isFormatted || isUnverified || unreadable > 0 || mismatched > 0;
    if (isWrong || (isStrict && misformatted > 0)) this.#host.fail();
  }
}

function newList(name: string): List {
  return { name, isFormatted: false, misformatted: 0, unreadable: 0, mismatched: 0, hasMatched: false };
}

function* summaries({ misformatted, unreadable, mismatched }: List): Generator<string> {
  if (misformatted === 1) yield 'WARNING: 1 line is improperly formatted';
  if (misformatted > 1) yield `WARNING: ${misformatted} lines are improperly formatted`;
  if (unreadable === 1) yield 'WARNING: 1 listed file could not be read';
  if (unreadable > 1) yield `WARNING: ${unreadable} listed files could not be read`;
  if (mismatched === 1) yield 'WARNING: 1 computed checksum did NOT match';
  if (mismatched > 1) yield `WARNING: ${mismatched} computed checksums did NOT match`;
}
