/** How values are compared by `min`, `max`, `top` and `merge`: numbers by size, texts by their UTF-16 units. */
import { UsageError } from '../errors.ts';

export type Key = number | bigint | string;

export const notReducible = (text: string): UsageError => new UsageError(text, 'notReducible');

/** What a value is ordered by: itself, or its entry `by`. @throws UsageError when that has no order */
export function keyOf(value: unknown, by: string | undefined): Key {
  const key = by === undefined ? value : entryOf(value, by);
  if (typeof key === 'string' || typeof key === 'bigint') return key;
  if (typeof key === 'number' && !Number.isNaN(key)) return key;
  const where = by === undefined ? '' : ` in its entry "${by}"`;
  throw notReducible(`only numbers and texts have an order, and the task gave ${typeName(key)}${where}`);
}

function entryOf(value: unknown, by: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[by] : undefined;
}

/** Below 0, 0 or above. @throws UsageError for a text and a number */
export function compareKeys(a: Key, b: Key): number {
  if ((typeof a === 'string') !== (typeof b === 'string'))
    throw notReducible('a text and a number cannot be put in order');
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A value's type as people call it. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'number') return Number.isNaN(value) ? 'NaN' : 'a number';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'boolean') return 'true or false';
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'a map';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
