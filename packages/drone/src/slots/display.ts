/** The short text of a value, for logs and displays. Never more than about 60 characters, whatever the value. */
import { decodeMsgpack, type Spec } from '@hive/shared';

const TEXT_MAX = 60;
const DECODE_BYTES_MAX = 4_096;

export function displayValue({ encoding }: Spec, value: Uint8Array): string {
  if (encoding !== 'msgpack' || value.length > DECODE_BYTES_MAX) return `${value.length} bytes`;
  try {
    const text = JSON.stringify(decodeMsgpack(value), plainly) ?? 'nothing';
    return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
  } catch {
    return `${value.length} bytes`;
  }
}

function plainly(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? `${value.length} bytes` : value;
}
