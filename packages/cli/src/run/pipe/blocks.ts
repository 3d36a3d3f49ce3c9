/**
 * Standard input cut into blocks, lazily, where GNU parallel's --pipe would cut: after the last whole record within a
 * block's size, or after so many records or lines.
 *
 * At most one block and one record are held; a block beyond 1 MiB is gathered in a temporary file and read from there.
 */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { Gathering, isSpooled, Spool, type Spooled } from '../../hash/spool.ts';
import { bytesOf, bytesToByteText } from '../byte-text.ts';
import type { CommandInput } from '../command-task.ts';
import type { PipeSettings } from '../options/settings.ts';
import { pattern } from '../template/replacements.ts';
import { type Cutter, cutterOf } from './cutters.ts';
import { GrowingBuffer } from './growing-buffer.ts';

export interface Block {
  readonly data: CommandInput;
  /** Nobody reads it any more. */
  release(): void;
}

const GROWTH = 1.3;
const NEWLINE = 0x0a;

/** @param warn told when a record is longer than a block */
export async function* cutBlocks(
  stdin: AsyncIterable<Uint8Array>,
  settings: PipeSettings,
  warn: (text: string) => void,
): AsyncGenerator<Block> {
  const writer = new BlockWriter(settings, new Header(stdin, settings));
  try {
    yield* blocksOf(settings, writer, warn);
  } finally {
    writer.end();
  }
}

function blocksOf(
  settings: PipeSettings,
  writer: BlockWriter,
  warn: (text: string) => void,
): AsyncGenerator<Block> {
  const { records, lines, blockBytes } = settings;
  const body = writer.header.rest();
  if (records !== null && records > 0)
    return cutByCount(body, cutterOf(settings), records * (lines ?? 1), writer);
  const cutter = lines === null ? cutterOf(settings) : new LinesCutter(lines);
  return cutBySize(body, cutter, blockBytes, writer, warn);
}

async function* cutBySize(
  chunks: AsyncIterable<Uint8Array>,
  cutter: Cutter,
  blockBytes: number,
  writer: BlockWriter,
  warn: (text: string) => void,
): AsyncGenerator<Block> {
  const open = new GrowingBuffer();
  let limit = blockBytes;
  // Bytes of this block, those still open included.
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + limit - filled);
      at += piece.length;
      filled += piece.length;
      open.append(piece);
      const isFull = filled === limit;
      // The last place to cut is looked for when a block is full; before that only to keep little in memory.
      if (!isFull && open.length < writer.bytesHeldMax) continue;
      const cut = cutter.last(open.view);
      if (cut > 0) await writer.append(open.take(cut));
      if (!isFull) continue;
      if (!writer.isEmpty) {
        yield await writer.finish();
        filled = open.length;
      } else {
        const before = limit;
        limit = Math.ceil(limit * GROWTH + 1);
        warn(`A record was longer than ${before}. Increasing to --blocksize ${limit}.`);
      }
    }
  }
  // At the end of the input, a block may end within a record; only lines are counted to the last.
  const cut = cutter instanceof LinesCutter ? cutter.last(open.view) : -1;
  if (cut > 0) {
    await writer.append(open.take(cut));
    yield await writer.finish();
  }
  await writer.append(open.take(open.length));
  if (!writer.isEmpty) yield await writer.finish();
}

async function* cutByCount(
  chunks: AsyncIterable<Uint8Array>,
  cutter: Cutter,
  count: number,
  writer: BlockWriter,
): AsyncGenerator<Block> {
  const open = new GrowingBuffer();
  let found = 0;
  for await (const chunk of chunks) {
    open.append(chunk);
    // What is open ends before a place to cut, so each record is looked at again only while it grows.
    for (let cut = cutter.next(open.view, 0); cut !== -1; cut = cutter.next(open.view, 0)) {
      await writer.append(open.take(cut));
      if (++found % count === 0) yield await writer.finish();
    }
  }
  await writer.append(open.take(open.length));
  if (!writer.isEmpty) yield await writer.finish();
}

/** Cuts after every so many lines. */
class LinesCutter implements Cutter {
  readonly #lines: number;

  constructor(lines: number) {
    this.#lines = Math.max(1, lines);
  }

  last(bytes: Buffer): number {
    let seen = 0;
    let cut = -1;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
      if (++seen % this.#lines === 0) cut = at + 1;
    }
    return cut;
  }
  next(bytes: Buffer, from: number): number {
    const at = bytes.indexOf(NEWLINE, from);
    return at === -1 ? -1 : at + 1;
  }
  withoutSeparators(block: Buffer): Buffer {
    return block;
  }
}

/** Takes the header off the beginning of the input, to stand before every block. */
class Header {
  readonly #chunks: AsyncIterable<Uint8Array>;
  readonly #settings: PipeSettings;
  bytes: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>, settings: PipeSettings) {
    this.#chunks = chunks;
    this.#settings = settings;
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    const { header, skipsFirstLine, blockBytes } = this.#settings;
    let isOpen = header !== null || skipsFirstLine;
    let begun: Buffer = Buffer.alloc(0);
    for await (const chunk of this.#chunks) {
      if (!isOpen) {
        yield chunk;
        continue;
      }
      begun = Buffer.concat([begun, chunk]);
      const body = this.#take(begun);
      // A header that is nowhere in the first block is not there.
      if (body === null && begun.length < blockBytes) continue;
      isOpen = false;
      yield body ?? begun;
    }
    if (isOpen && begun.length > 0) yield this.#take(begun) ?? begun;
  }

  #take(begun: Buffer): Buffer | null {
    const { header, skipsFirstLine } = this.#settings;
    const from = skipsFirstLine ? begun.indexOf(NEWLINE) + 1 : 0;
    if (skipsFirstLine && from === 0) return null;
    if (header === null) return begun.subarray(from);
    const end = endOfHeader(begun, from, header);
    if (end === -1) return null;
    this.bytes = begun.subarray(from, end);
    return begun.subarray(end);
  }
}

function endOfHeader(begun: Buffer, from: number, header: number | string): number {
  if (typeof header === 'string') {
    const found = pattern(`^(?:${header})`).exec(bytesToByteText(begun.subarray(from)));
    return found === null ? -1 : from + bytesOf(found[0]).length;
  }
  let end = from;
  for (let line = 0; line < header; line++) {
    const at = begun.indexOf(NEWLINE, end);
    if (at === -1) return -1;
    end = at + 1;
  }
  return end;
}

class BlockWriter {
  /** More than this is written to a file as soon as it is whole records. */
  readonly bytesHeldMax = 1024 * 1024;
  readonly #spool = new Spool();
  readonly header: Header;
  readonly #cutter: Cutter | null;
  /** Blocks in files that somebody may still read. */
  readonly #open = new Set<Spooled>();
  #isOver = false;
  #gathering = new Gathering(this.#spool);
  #isEmpty = true;

  constructor(settings: PipeSettings, header: Header) {
    this.header = header;
    this.#cutter = settings.removesSeparators ? cutterOf(settings) : null;
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  async append(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#isEmpty && this.header.bytes.length > 0) await this.#gathering.append(this.header.bytes);
    this.#isEmpty = false;
    await this.#gathering.append(bytes);
  }

  async finish(): Promise<Block> {
    const data = await this.#gathering.take();
    this.#isEmpty = true;
    if (!isSpooled(data)) {
      const block = this.#cutter === null ? data : this.#without(Buffer.from(data));
      return { data: block, release() {} };
    }
    const { path, bytes } = data;
    this.#open.add(data);
    const release = () => this.#release(data);
    if (this.#cutter === null) return { data: { bytes, read: () => createReadStream(path) }, release };
    const block = this.#without(await readFile(path));
    const { length } = block;
    return { data: { bytes: length, read: () => Readable.from([block]) }, release };
  }

  /** There will be no more blocks; the files go when the last of them has been read. */
  end(): void {
    this.#isOver = true;
    if (this.#open.size === 0) this.#spool.close();
  }

  #release(file: Spooled): void {
    if (!this.#open.delete(file)) return;
    if (this.#isOver && this.#open.size === 0) this.#spool.close();
    else void this.#spool.remove(file);
  }

  #without(block: Buffer): Buffer {
    const { bytes } = this.header;
    return Buffer.concat([bytes, this.#cutter!.withoutSeparators(block.subarray(bytes.length))]);
  }
}
