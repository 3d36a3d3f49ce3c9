/** A job's spec as JSON that a person can read; byte strings as base64 under the key "$bytes". */
import type { Spec } from '@hive/shared';

export function specToText(spec: unknown): string {
  return JSON.stringify(spec, (_, value: unknown) =>
    value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString('base64') } : plainBuffer(value),
  );
}

/** JSON.stringify calls Buffer's toJSON before our replacer sees it. */
function plainBuffer(value: unknown): unknown {
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  const isBuffer = type === 'Buffer' && Array.isArray(data) && Object.keys(value as object).length === 2;
  return isBuffer ? { $bytes: Buffer.from(data as number[]).toString('base64') } : value;
}

export function textToSpec(text: string): Spec {
  return JSON.parse(text, (_, value: unknown) => {
    const bytes = (value as { $bytes?: unknown } | null)?.$bytes;
    return typeof bytes === 'string' ? new Uint8Array(Buffer.from(bytes, 'base64')) : value;
  }) as Spec;
}
