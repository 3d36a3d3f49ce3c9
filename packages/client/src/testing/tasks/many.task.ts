import { createHash } from 'node:crypto';
import { type InputStream, NonRetryableError, type TaskContext, task } from '../../functions/task.ts';

let calls = 0;
export const counted = task(() => ++calls);
export const later = task(async (n: number) => {
  await null;
  return n * 2;
});
export const same = task((value: unknown) => value);
export const final = task((_: number, { attempt }: TaskContext) => {
  throw new NonRetryableError(`attempt ${attempt}`);
});
export const third = task((_: number, { attempt }: TaskContext) => {
  if (attempt < 3) throw new Error('not yet');
  return attempt;
});
/** Takes so many MiB, of objects. */
export const takes = task((mebibytes: number) => {
  const all = Array.from({ length: mebibytes }, (_, i) =>
    Array.from({ length: 131_072 }, (_, j) => i + j / 3),
  );
  return all.length;
});
export const digest = task(async (input: InputStream) => {
  const hash = createHash('sha256');
  for await (const chunk of input) hash.update(chunk);
  return `${input.bytes} ${hash.digest('hex')}`;
});
export const zeros = task((bytes: number, context: TaskContext) => {
  for (let done = 0; done < bytes; done += 65_536)
    context.write(new Uint8Array(Math.min(65_536, bytes - done)));
});
export const found = task((n: number, { finish }: TaskContext) =>
  n === 777 ? finish({ found: new Set([n]) }) : n,
);
export const sum = task(([own, ...parents]: [number, ...number[]]) => parents.reduce((a, b) => a + b, own));
export const scaled = task((n: number, { params }: TaskContext) => n * (params['by'] as number));
let running = 0;
export const waits = task(
  async (millis: number) => {
    const others = running++;
    await new Promise((resolve) => setTimeout(resolve, millis));
    running--;
    return others;
  },
  { concurrency: 50 },
);
export const speaks = task(async (n: number, context: TaskContext) => {
  console.log('printed', n);
  context.progress(1, 4);
  context.emit({ half: new Map([[n, n / 2]]) });
  await new Promise<void>((resolve) => {
    if (context.params['isFree'] === true) resolve();
    else context.signal.addEventListener('abort', () => resolve());
  });
  return n;
});
