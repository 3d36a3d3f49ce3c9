/**
 * How long a command line may be. Linux takes one argument of up to 128 KiB less a byte (MAX_ARG_STRLEN, which `getconf`
 * does not tell), other systems all arguments and the environment together up to ARG_MAX.
 *
 * Drones may run other systems than the submitter, so the smaller one counts everywhere.
 */

/** Of execve(2) on Linux: 32 pages, with the NUL that ends it. */
export const LINE_BYTES_MAX = 32 * 4_096 - 1;
/** macOS has an ARG_MAX of 1 MiB; so much of it may be environment. */
const ARG_BYTES_MAX = 1024 * 1024;

/** The first length that is too much. @param env what every command gets */
export function lineBytesLimit(env: NodeJS.ProcessEnv): number {
  let envBytes = 0;
  for (const [name, value] of Object.entries(env))
    envBytes += name.length + Buffer.byteLength(value ?? '') + 2;
  return Math.max(4_096, Math.min(LINE_BYTES_MAX, ARG_BYTES_MAX - envBytes)) + 1;
}
