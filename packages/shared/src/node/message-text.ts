/** Messages on one line for `DEBUG=hive:*`: what is short as it is, of everything else how much there is. */
import type { Message } from '../messages.ts';

const TEXT_MAX = 80;
/** Lists up to this long are shown, if they hold numbers. */
const LIST_MAX = 8;

/** `TaskComplete lease=5 at=0 first=0 count=1 sizes=65 data=65 bytes busyMicros=12 ended=true` */
export function describeMessage({ type, ...fields }: Message): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${describeField(value)}`);
  return [type, ...parts].join(' ');
}

function describeField(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length <= TEXT_MAX ? value : `${value.slice(0, TEXT_MAX - 1)}…`);
  }
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return describeList(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = Object.entries(value).map(([name, of]) => `${name}=${describeField(of)}`);
  return `{${inner.join(' ').slice(0, TEXT_MAX)}}`;
}

function describeList(list: readonly unknown[]): string {
  const isShort = list.length <= LIST_MAX && list.every((entry) => typeof entry === 'number');
  return isShort ? `[${list.join(' ')}]` : `${list.length} entries`;
}
