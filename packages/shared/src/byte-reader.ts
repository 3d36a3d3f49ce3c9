/** Bytes that come in chunks of any size, taken in parts of a known size. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next so many bytes, in memory; fewer at the end. */
  async take(bytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.part(bytes)) {
      parts.push(part);
      length += part.length;
    }
    if (parts.length === 1) return parts[0]!;
    const all = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** The next so many bytes, as they come; fewer at the end. */
  async *part(bytes: number): AsyncGenerator<Uint8Array> {
    for (let missing = bytes; missing > 0; ) {
      if (this.#held.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done === true) return;
        this.#held = value;
        continue;
      }
      const piece = this.#held.subarray(0, missing);
      this.#held = this.#held.subarray(piece.length);
      missing -= piece.length;
      yield piece;
    }
  }

  /** Nobody reads on. */
  close(): void {
    void this.#chunks.return?.();
  }

  rest(): AsyncGenerator<Uint8Array> {
    return this.part(Number.POSITIVE_INFINITY);
  }
}
