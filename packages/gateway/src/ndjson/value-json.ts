/**
 * Values as JSON says them. Bytes, which JSON has no word for, become `{"base64": …}`, what JavaScript
 * functions give besides (Map, Set, bigint, Error) lists, texts and names; what a command gave becomes the fields by
 * which the API calls them, with what was printed as text.
 */
import { type Encoding, readValue } from '@hive/shared';
import { isCommandResult, outcomeOfWhole } from '../command-outcome.ts';

export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, plainly) ?? 'null';
  } catch {
    // A JavaScript function may give what holds itself.
    return '{"unrepresentable":"this value holds itself; read it with @hive/client"}';
  }
}

/** A Buffer turns itself into something else before a replacer is asked, so the original is looked at. */
function plainly(this: { readonly [key: string]: unknown }, key: string, value: unknown): unknown {
  const original = this[key];
  if (original instanceof Uint8Array) return { base64: base64(original) };
  if (typeof value === 'bigint') return String(value);
  if (original instanceof Map) return [...original];
  if (original instanceof Set) return [...original];
  return original instanceof Error ? { name: original.name, message: original.message } : value;
}
const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** A value of a page, as JSON text. */
export function valueJson(
  kind: string,
  data: Uint8Array,
  offset: number,
  size: number,
  encoding: Encoding,
): string {
  const value = readValue(data, offset, size, encoding);
  return jsonOf(kind === 'command' && isCommandResult(value) ? outcomeOfWhole(value) : value);
}
