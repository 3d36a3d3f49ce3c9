/**
 * Framing: a u32 big-endian body length, then the body. `FrameDecoder` turns a byte stream, cut anywhere, into bodies.
 * It touches no socket. An oversize frame is refused from its header, before a byte of its body is kept.
 *
 * Cost: a frame that lies whole in one chunk is handed out as a view of it; a frame that spans chunks is copied once.
 */
import { ProtocolError } from './errors.ts';
import { LIMITS } from './limits.ts';

export const FRAME_HEADER_BYTES = 4;
const EMPTY = new Uint8Array(0);

export class FrameDecoder {
  /** Largest body that is accepted now; raised when the handshake is done. */
  #bodyMax: number;
  /** Bytes of an unfinished header, or nothing. */
  #rest: Uint8Array = EMPTY;
  /** The unfinished body, when its header is known. */
  #body: Uint8Array | null = null;
  #filled = 0;

  constructor(bodyMax: number = LIMITS.frameBytesMax) {
    this.#bodyMax = bodyMax;
  }

  /** Raises or lowers the bound for frames whose header has not been read. */
  limit(bodyMax: number): void {
    this.#bodyMax = bodyMax;
  }

  /** Whether the stream stands between two frames, as it must when a peer says it has ended. */
  get isBetweenFrames(): boolean {
    return this.#rest.length === 0 && this.#body === null;
  }

  /**
   * Takes the next bytes of the stream and yields the bodies that they complete. Lazy: the bound may be changed
   * between two frames. The views it yields are valid as long as nobody writes to `chunk`.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let at = 0;
    while (true) {
      if (this.#body !== null) {
        at = this.#fill(chunk, at);
        if (this.#body.length > this.#filled) return;
        const body = this.#body;
        this.#body = null;
        yield body;
        continue;
      }
      const missing = FRAME_HEADER_BYTES - this.#rest.length;
      if (chunk.length - at < missing) {
        this.#rest = join(this.#rest, chunk.subarray(at));
        return;
      }
      const header = this.#rest.length === 0 ? chunk : join(this.#rest, chunk.subarray(at, at + missing));
      const length = readU32(header, this.#rest.length === 0 ? at : 0);
      at += missing;
      this.#rest = EMPTY;
      if (length > this.#bodyMax) {
        throw new ProtocolError(
          `frame of ${length} bytes; at most ${this.#bodyMax} are allowed here`,
          'tooLarge',
        );
      }
      if (chunk.length - at >= length) {
        at += length;
        yield chunk.subarray(at - length, at);
        continue;
      }
      this.#body = new Uint8Array(length);
      this.#filled = 0;
    }
  }

  #fill(chunk: Uint8Array, at: number): number {
    const body = this.#body!;
    const take = Math.min(body.length - this.#filled, chunk.length - at);
    body.set(at === 0 && take === chunk.length ? chunk : chunk.subarray(at, at + take), this.#filled);
    this.#filled += take;
    return at + take;
  }
}

/** Reads a big-endian u32. */
export function readU32(from: Uint8Array, at: number): number {
  return ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0;
}
/** Writes a big-endian u32. */
export function writeU32(to: Uint8Array, at: number, value: number): void {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
