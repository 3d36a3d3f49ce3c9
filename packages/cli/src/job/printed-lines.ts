/**
 * What several tasks print, in whole lines, so that they do not run into each other. What came live is not printed again
 * when it comes in a task's result; where live pieces are missing, the rest waits for the result.
 */
import type { Output } from '../output.ts';

type Stream = 'stdout' | 'stderr';
const NEWLINE = 10;
/** A line that is longer is printed in pieces. */
const LINE_BYTES_MAX = 1024 * 1024;

interface Source {
  /** The execution of the task that this is of. */
  readonly run: number | null;
  /** Bytes printed, or held as the beginning of a line. */
  end: number;
  held: Buffer;
}

export class PrintedLines {
  readonly #outputs: Readonly<Record<Stream, Output>>;
  readonly #isTagged: boolean;
  readonly #sources = new Map<string, Source>();

  constructor(stdout: Output, stderr: Output, isTagged: boolean) {
    this.#outputs = { stdout, stderr };
    this.#isTagged = isTagged;
  }

  /** A live piece. A run is one execution of the task; what another one printed stays as it is. */
  async live(index: number, run: number, stream: Stream, offset: number, data: Uint8Array): Promise<void> {
    const key = `${index} ${stream}`;
    let source = this.#sources.get(key);
    if (source === undefined || source.run !== run) {
      if (source !== undefined) await this.#finish(index, stream, source);
      source = { run, end: 0, held: Buffer.alloc(0) };
      this.#sources.set(key, source);
    }
    if (offset === source.end) await this.#add(index, stream, source, data);
  }

  /** The whole of a stream from a task's result, piece by piece; `isLast` with the last one, which may be empty. */
  async kept(
    index: number,
    stream: Stream,
    offset: number,
    data: Uint8Array,
    isLast: boolean,
  ): Promise<void> {
    const key = `${index} ${stream}`;
    const source = this.#sources.get(key) ?? { run: null, end: 0, held: Buffer.alloc(0) };
    this.#sources.set(key, source);
    const rest = data.subarray(Math.max(0, source.end - offset));
    if (rest.length > 0) await this.#add(index, stream, source, rest);
    if (!isLast) return;
    await this.#finish(index, stream, source);
    this.#sources.delete(key);
  }

  /** Everything has left, lines without an end included. */
  async end(): Promise<void> {
    for (const [key, source] of this.#sources) {
      const [index, stream] = key.split(' ');
      await this.#finish(Number(index), stream as Stream, source);
    }
    this.#sources.clear();
    await this.#outputs.stdout.end();
    await this.#outputs.stderr.end();
  }

  async #add(index: number, stream: Stream, source: Source, data: Uint8Array): Promise<void> {
    source.end += data.length;
    const all = source.held.length === 0 ? Buffer.from(data) : Buffer.concat([source.held, data]);
    const lastEnd = all.lastIndexOf(NEWLINE) + 1;
    const end = lastEnd === 0 && all.length > LINE_BYTES_MAX ? all.length : lastEnd;
    source.held = Buffer.from(all.subarray(end));
    if (end > 0) await this.#print(index, stream, all.subarray(0, end));
  }

  /** A line that has no end. */
  async #finish(index: number, stream: Stream, source: Source): Promise<void> {
    const { held } = source;
    source.held = Buffer.alloc(0);
    if (held.length > 0) await this.#print(index, stream, held);
  }

  async #print(index: number, stream: Stream, lines: Buffer): Promise<void> {
    const bytes = this.#isTagged ? tagged(index, lines) : lines;
    const wait = this.#outputs[stream].write(bytes);
    if (wait !== null) await wait;
  }
}

/** The index and a tab before every line; the last one gets an end, so that the next tag is at a beginning. */
function tagged(index: number, lines: Buffer): Buffer {
  const text = lines.toString('latin1').replace(/\n$/, '');
  return Buffer.from(`${text.replace(/^/gm, `${index}\t`)}\n`, 'latin1');
}
