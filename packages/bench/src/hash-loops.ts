/** The limit of generated hashing: bare loops in threads of this process, one a core, over the same seeds. */
import { createHash, hash } from 'node:crypto';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { GENERATED_PART_BYTES, generateBytes, generateParts } from '@hive/shared/node';

export interface LoopWork {
  readonly tasks: number;
  readonly size: number;
}
interface Part extends LoopWork {
  readonly offset: number;
  readonly step: number;
}

/** Digests by seed, and how long the slowest loop took, without the start of its thread. */
export async function hashLoops(
  work: LoopWork,
  threads: number,
): Promise<{ digests: string[]; millis: number }> {
  const parts = await Promise.all(
    Array.from({ length: threads }, (_, offset) => runPart({ ...work, offset, step: threads })),
  );
  const digests = new Array<string>(work.tasks);
  for (const [offset, part] of parts.entries()) {
    for (const [i, digest] of part.digests.entries()) digests[offset + i * threads] = digest;
  }
  const start = Math.min(...parts.map((part) => part.start));
  const end = Math.max(...parts.map((part) => part.end));
  return { digests, millis: end - start };
}

interface PartResult {
  readonly digests: string[];
  /** On the clock of the wall, which all threads share. */
  readonly start: number;
  readonly end: number;
}

function runPart(part: Part): Promise<PartResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { hashLoops: part } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

function loop({ tasks, size, offset, step }: Part): PartResult {
  const now = () => performance.timeOrigin + performance.now();
  // The first one compiles and warms up; it is not counted.
  digestOf(offset, size);
  const start = now();
  const digests: string[] = [];
  for (let seed = offset; seed < tasks; seed += step) digests.push(digestOf(seed, size));
  return { digests, start, end: now() };
}

/** What a Drone does for one task, and nothing else. */
function digestOf(seed: number, size: number): string {
  if (size <= GENERATED_PART_BYTES) return hash('sha256', generateBytes(seed, size, small));
  const digest = createHash('sha256');
  generateParts(seed, size, (part) => digest.update(part));
  return digest.digest('hex');
}
const small = new Uint8Array(GENERATED_PART_BYTES);

if (!isMainThread && workerData?.hashLoops !== undefined) parentPort!.postMessage(loop(workerData.hashLoops));
