/** The encoding `hive-js`, for JavaScript on both ends: everything that structured clone keeps. */
import { Packr } from 'msgpackr';
import { Decoder } from './decoder.ts';
import { Encoder } from './encoder.ts';

export { isWellFormed } from './format.ts';

const packr = new Packr({ useRecords: false });
const packText = (text: string): Uint8Array => packr.pack(text);
const encoder = new Encoder(packText);
const decoder = new Decoder();
/** Getters and proxies of a value may come back here while it is being encoded. */
let isEncoding = false;

/** The bytes of a value, in memory of their own. @throws UsageError 'badValue' with the path of what cannot be sent */
export function encodeHiveJs(value: unknown): Uint8Array {
  return encodeInPlace(value, (bytes) => bytes.slice());
}

/** Hands on the bytes of a value, which are valid until `use` returns. */
export function encodeInPlace<T>(value: unknown, use: (bytes: Uint8Array) => T): T {
  if (isEncoding) return use(new Encoder(packText).encode(value));
  isEncoding = true;
  try {
    return use(encoder.encode(value));
  } finally {
    isEncoding = false;
  }
}

/** @throws UsageError 'badValue' if the bytes are not exactly one value */
export function decodeHiveJs(data: Uint8Array, offset = 0, size = data.length - offset): unknown {
  return decoder.decode(data, offset, size);
}
