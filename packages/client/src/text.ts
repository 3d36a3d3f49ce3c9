/**
 * Texts to and from msgpack, in place. msgpackr encodes each value into memory of its own, which is then copied and
 * collected; for arrays of texts of some hundred bytes that was four fifths of the client's time.
 */
import type { PageBuilder } from '@hive/shared';

const STR_8 = 0xd9;
const STR_16 = 0xda;
const STR_32 = 0xdb;

/** Writes texts into a page under construction. */
export class TextWriter {
  #memory: Uint8Array | null = null;
  #buffer: Buffer = Buffer.alloc(0);

  /** Appends a text as one msgpack value. Its length in bytes must be within the caller's limits. */
  append(builder: PageBuilder, text: string): void {
    const bytes = Buffer.byteLength(text);
    const header = bytes < 0x100 ? 2 : bytes < 0x1_0000 ? 3 : 5;
    const to = this.#bufferOf(builder.reserve(header + bytes));
    const at = builder.offset;
    if (header === 2) {
      to[at] = STR_8;
      to[at + 1] = bytes;
    } else if (header === 3) {
      to[at] = STR_16;
      to.writeUInt16BE(bytes, at + 1);
    } else {
      to[at] = STR_32;
      to.writeUInt32BE(bytes, at + 1);
    }
    to.write(text, at + header, 'utf8');
    builder.wrote(header + bytes);
  }

  #bufferOf(memory: Uint8Array): Buffer {
    if (memory !== this.#memory) {
      this.#memory = memory;
      this.#buffer = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
    }
    return this.#buffer;
  }
}

/** The text that is all of the msgpack value at [offset, offset + size); null if the value is something else. */
export function readText(data: Buffer, offset: number, size: number): string | null {
  const head = data[offset]!;
  if (head === STR_8 && size === data[offset + 1]! + 2)
    return data.toString('utf8', offset + 2, offset + size);
  if (head === STR_16 && size === data.readUInt16BE(offset + 1) + 3) {
    return data.toString('utf8', offset + 3, offset + size);
  }
  return null;
}
