/**
 * The short text of a value, for logs and displays. Two of them fit a message whatever the
 * values; whoever shows them shortens them further.
 */
import { readValue, type Spec } from '@hive/shared';
import { BUILT_IN } from '../kinds/kind.ts';

const TEXT_MAX = 2_000;
const DECODE_BYTES_MAX = 4_096;

export function displayValue(spec: Spec, value: Uint8Array, of: 'input' | 'output'): string {
  const kind = of === 'output' ? BUILT_IN.find(({ name }) => name === spec.kind) : undefined;
  return kind?.displayOutput?.(spec.encoding, value) ?? plainText(spec, value);
}

function plainText({ encoding }: Spec, bytes: Uint8Array): string {
  if (encoding === 'raw' || bytes.length > DECODE_BYTES_MAX) return lengthOf(bytes);
  try {
    const value = readValue(bytes, 0, bytes.length, encoding);
    if (value instanceof Uint8Array) return lengthOf(value);
    const text = JSON.stringify(value, plainly) ?? 'nothing';
    return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
  } catch {
    return lengthOf(bytes);
  }
}

function plainly(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? lengthOf(value) : typeof value === 'bigint' ? String(value) : value;
}

const lengthOf = ({ length }: Uint8Array): string => `${length} ${length === 1 ? 'byte' : 'bytes'}`;
