/**
 * How large a job's parameters are: too large ones are refused, small ones are told to whoever asks about the job.
 */

/** Bytes of parameters that an answer about a job repeats; of larger ones nothing. */
export const TOLD_PARAMS_BYTES_MAX = 1_024;

/** About as many bytes as the wire carried for it. */
export function paramsBytes(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length + 5;
  if (typeof value !== 'object' || value === null) return 9;
  let bytes = 5;
  for (const [key, inner] of Object.entries(value)) {
    bytes += (Array.isArray(value) ? 0 : key.length + 1) + paramsBytes(inner);
  }
  return bytes;
}
