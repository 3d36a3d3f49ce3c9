/** Bytes that grow at one end and are taken off at the other, without copying all of them each time. */
export class GrowingBuffer {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #from = 0;
  #to = 0;

  get length(): number {
    return this.#to - this.#from;
  }
  /** A view of what is held; it changes with the next `append`. */
  get view(): Buffer {
    return this.#bytes.subarray(this.#from, this.#to);
  }

  append(piece: Uint8Array): void {
    if (this.#to + piece.length > this.#bytes.length) this.#makeRoom(piece.length);
    this.#bytes.set(piece, this.#to);
    this.#to += piece.length;
  }

  /** Takes bytes off the beginning. */
  take(count: number): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(this.#from, this.#from + count));
    this.#from += count;
    return taken;
  }

  #makeRoom(count: number): void {
    const needed = this.length + count;
    const target = needed * 2 <= this.#bytes.length ? this.#bytes : Buffer.allocUnsafe(needed * 2);
    this.#bytes.copy(target, 0, this.#from, this.#to);
    this.#bytes = target;
    this.#to -= this.#from;
    this.#from = 0;
  }
}
