// A task file: a function, and what it needs, loaded once per thread. See functions.ts.
import { createHash } from 'node:crypto';
import { type TaskContext, task } from '@hive/client';

export interface Picture {
  readonly name: string;
  readonly pixels: Uint8Array;
  /** Every so many pixels one is kept. */
  readonly every: number;
}

export default task(({ name, pixels, every }: Picture, { index, log }: TaskContext) => {
  if (every < 1)
    throw Object.assign(new RangeError(`every ${every} pixels there is nothing`), { code: 'E_EVERY' });
  const small = pixels.filter((_, at) => at % every === 0);
  log(`picture ${index}: ${name}`);
  return { name, small, digest: createHash('sha256').update(small).digest('hex'), made: new Date() };
});
