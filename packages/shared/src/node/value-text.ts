/**
 * Whole values as text for people (`--verbose`): JSON where the encoding says what the bytes mean, hexadecimal digits
 * where it does not. On one line and without control characters, so that no value can play tricks on a terminal.
 *
 * Cost: up to some hundred milliseconds for a value of 1 MiB, so callers see to it that it is rare.
 */
import { Buffer } from 'node:buffer';
import type { Encoding } from '../messages.ts';
import { readValue } from '../values.ts';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Control characters that JSON leaves as they are, and what turns the direction of text. */
const UNPRINTABLE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** All of a value: a JSON text; `0x…` for bytes that are no text. */
export function wholeValue(encoding: Encoding, bytes: Uint8Array): string {
  try {
    return toJson(encoding === 'raw' ? strict.decode(bytes) : readValue(bytes, 0, bytes.length, encoding));
  } catch {
    return hexOf(bytes);
  }
}

function toJson(value: unknown): string {
  if (value instanceof Uint8Array) return hexOf(value);
  const text = JSON.stringify(value, plainly) ?? 'nothing';
  return text.replace(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** A Buffer turns itself into something else before a replacer is asked, so the original is looked at. */
function plainly(this: { readonly [key: string]: unknown }, key: string, value: unknown): unknown {
  const original = this[key];
  if (original instanceof Uint8Array) return hexOf(original);
  return typeof value === 'bigint' ? String(value) : value;
}

const hexOf = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  `0x${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}`;
