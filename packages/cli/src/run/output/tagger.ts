/** Puts a tag before every line, and before what follows a carriage return, of output that comes in pieces. */
import { type ByteText, bytesOf } from '../byte-text.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;

export class Tagger {
  readonly #tag: Buffer;
  #isAtStart = true;

  /** @param tag with what separates it from the line; empty for none */
  constructor(tag: ByteText) {
    this.#tag = bytesOf(tag);
  }

  tagged(bytes: Uint8Array): Uint8Array {
    if (this.#tag.length === 0 || bytes.length === 0) return bytes;
    const parts: Uint8Array[] = [];
    for (let from = 0; from < bytes.length; ) {
      if (this.#isAtStart) parts.push(this.#tag);
      const end = endOfLine(bytes, from);
      parts.push(bytes.subarray(from, end));
      const last = bytes[end - 1];
      this.#isAtStart = last === NEWLINE || last === RETURN;
      from = end;
    }
    return Buffer.concat(parts);
  }
}

/** Offset behind the next line end or carriage return, or the end. */
function endOfLine(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] === NEWLINE || bytes[at] === RETURN) return at + 1;
  }
  return bytes.length;
}
