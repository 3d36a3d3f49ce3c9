/** Where standard input may be cut into blocks: after a separator's end, before its start, or after so many of either. */
import { bytesOf, bytesToByteText } from '../byte-text.ts';
import type { PipeSettings } from '../options/settings.ts';
import { pattern } from '../template/replacements.ts';

export interface Cutter {
  /** Offset of the last place to cut, or -1. */
  last(bytes: Buffer): number;
  /** Offset of the first place to cut behind `from`, or -1. */
  next(bytes: Buffer, from: number): number;
  /** The block without separators between, before and after its records. */
  withoutSeparators(block: Buffer): Buffer;
}

/** @throws UsageError for a pattern that is none */
export function cutterOf({ isPattern, recordStart, recordEnd }: PipeSettings): Cutter {
  return isPattern ? new PatternCutter(recordStart, recordEnd) : new TextCutter(recordStart, recordEnd);
}

class TextCutter implements Cutter {
  readonly #start: Buffer;
  readonly #end: Buffer;
  readonly #both: Buffer;

  constructor(start: string, end: string) {
    this.#start = bytesOf(start);
    this.#end = bytesOf(end);
    this.#both = Buffer.concat([this.#end, this.#start]);
  }

  last(bytes: Buffer): number {
    // Without any separator, every byte is a record.
    if (this.#both.length === 0) return bytes.length;
    // A record's start at offset 0 is where this block begins.
    for (let at = bytes.lastIndexOf(this.#both); at !== -1; at = bytes.lastIndexOf(this.#both, at - 1)) {
      if (at + this.#end.length > 0) return at + this.#end.length;
      if (at === 0) break;
    }
    return -1;
  }

  next(bytes: Buffer, from: number): number {
    if (this.#both.length === 0) return from + 1 <= bytes.length ? from + 1 : -1;
    const isStartOnly = this.#end.length === 0;
    const at = bytes.indexOf(this.#both, isStartOnly ? from + 1 : from);
    return at === -1 ? -1 : at + this.#end.length;
  }

  withoutSeparators(block: Buffer): Buffer {
    let text = bytesToByteText(block);
    const [start, end] = [bytesToByteText(this.#start), bytesToByteText(this.#end)];
    if (end + start !== '') text = text.replaceAll(end + start, '');
    if (start !== '' && text.startsWith(start)) text = text.slice(start.length);
    if (end !== '' && text.endsWith(end)) text = text.slice(0, -end.length);
    return bytesOf(text);
  }
}

class PatternCutter implements Cutter {
  readonly #start: string;
  readonly #end: string;
  readonly #cut: RegExp;

  constructor(start: string, end: string) {
    this.#start = `(?:${start})`;
    // An end that matches nothing would cut nowhere: then it is any byte.
    this.#end = end === '' && start === '' ? '[^]' : `(?:${end})`;
    this.#cut = pattern(`${this.#end}(?=${this.#start})`, 'gm');
  }

  last(bytes: Buffer): number {
    let found = -1;
    for (const { index, 0: end } of bytesToByteText(bytes).matchAll(this.#cut)) {
      if (index + end.length > 0) found = index + end.length;
    }
    return found;
  }

  next(bytes: Buffer, from: number): number {
    for (const { index, 0: end } of bytesToByteText(bytes.subarray(from)).matchAll(this.#cut)) {
      if (index + end.length > 0) return from + index + end.length;
    }
    return -1;
  }

  withoutSeparators(block: Buffer): Buffer {
    const text = bytesToByteText(block)
      .replace(pattern(this.#end + this.#start, 'gm'), '')
      .replace(pattern(`^${this.#start}`), '')
      .replace(pattern(`${this.#end}$`), '');
    return bytesOf(text);
  }
}
