/** `--json`: what `hive hash` found, or could not find, as one JSON object a line, for programs. */
import { Buffer } from 'node:buffer';
import type { Format } from './work.ts';

/** What a digest, or an error, is of: a file, a line of one (counted from 1), or an integer. */
export interface About {
  readonly name?: Uint8Array;
  readonly line?: number;
  readonly value?: number;
}
export type Finding =
  | { readonly digest: string }
  | { readonly error: string }
  | { readonly result: 'ok' | 'failed' }
  | { readonly result: 'unreadable'; readonly error: string };

/** `{"algorithm":"sha256","digest":"…","name":"a file"}` and a newline. */
export function jsonLine(algorithm: string, { name, ...about }: About, finding: Finding): Uint8Array {
  const named = name === undefined ? {} : nameOf(name);
  return Buffer.from(`${JSON.stringify({ algorithm, ...finding, ...named, ...about })}\n`);
}

/** JSON is text; a name that is not has its bytes beside it. */
function nameOf(bytes: Uint8Array): { name: string; nameBase64?: string } {
  const original = Buffer.from(bytes);
  const name = original.toString('utf8');
  if (Buffer.from(name).equals(original)) return { name };
  return { name, nameBase64: original.toString('base64') };
}

/** A digest without a name beside it, unless in JSON. */
export function digestLine(digest: string, about: About, { json, isZeroEnded }: Format): Uint8Array {
  if (json !== null) return jsonLine(json, about, { digest });
  return Buffer.from(`${digest}${isZeroEnded ? '\0' : '\n'}`);
}
