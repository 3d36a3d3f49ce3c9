/**
 * Bytes from a seed: AES-128-CTR over zeros, as PROTOCOL.md section 6 says. Work can be made on the Drone that way, so a
 * benchmark measures hashing and not the network; and whoever has the same seed has the same bytes.
 *
 * Cost: a small fraction of SHA-256's. Encrypted are zeros, in parts that stay in the processor's cache.
 */
import { createCipheriv } from 'node:crypto';
import { UsageError } from '../errors.ts';

const KEY_BYTES = 16;
const COUNTER = new Uint8Array(16);
/** Bytes that are made at once. */
export const GENERATED_PART_BYTES = 64 * 1024;
const ZEROS = new Uint8Array(GENERATED_PART_BYTES);

/**
 * Calls `take` with the first `length` bytes for a seed from 0 to 2^53 - 1, in order, in parts of 64 KiB and a rest.
 * @throws UsageError if the seed is no such integer
 */
export function generateParts(seed: number, length: number, take: (part: Uint8Array) => void): void {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new UsageError('A seed is an integer from 0 to 2^53 - 1.');
  const key = new Uint8Array(KEY_BYTES);
  const view = new DataView(key.buffer);
  view.setUint32(8, Math.floor(seed / 2 ** 32));
  view.setUint32(12, seed >>> 0);
  const cipher = createCipheriv('aes-128-ctr', key, COUNTER);
  for (let left = length; left > 0; left -= GENERATED_PART_BYTES) {
    take(cipher.update(left >= GENERATED_PART_BYTES ? ZEROS : ZEROS.subarray(0, left)));
  }
}

/**
 * The first `length` bytes for a seed, in `into` if it is given and long enough: then the result is a view of it, valid
 * until its next use.
 */
export function generateBytes(seed: number, length: number, into?: Uint8Array): Uint8Array {
  const to = into !== undefined && into.length >= length ? into : new Uint8Array(length);
  let at = 0;
  generateParts(seed, length, (part) => {
    to.set(part, at);
    at += part.length;
  });
  return to.length === length ? to : to.subarray(0, length);
}
