/** SHA-256 of strings that are shipped, or of bytes that the Drone makes itself from a seed. */
import { hash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hashLoops, type LoopWork } from './hash-loops.ts';
import type { Bench } from './runs.ts';

export interface HashOptions {
  readonly tasks: number;
  readonly size: number;
  readonly generate: boolean;
}

export function hashBench({ tasks, size, generate }: HashOptions): Bench {
  return generate ? generated(tasks, size) : shipped(tasks, size);
}

function shipped(tasks: number, size: number): Bench {
  const inputs = Array.from({ length: tasks }, (_, i) => text(i, size));
  const expected = inputs.map((input) => hash('sha256', input));
  return {
    name: 'hash',
    method: `SHA-256 of ${tasks.toLocaleString('en')} strings of ${size} bytes, shipped to the Drones, digests back in order`,
    tasks,
    taskBytes: size,
    limit: 'one in-process loop over the same strings',
    async run({ hive }) {
      check(await hive.map('hash', inputs).all(), expected);
      return null;
    },
    async measureLimit() {
      const start = performance.now();
      for (const input of inputs) hash('sha256', input);
      return (tasks / (performance.now() - start)) * 1000;
    },
  };
}

function generated(tasks: number, size: number): Bench {
  const threads = availableParallelism();
  const work: LoopWork = { tasks, size };
  let expected: readonly string[] = [];
  return {
    name: 'hash, generated',
    method: `SHA-256 of ${tasks.toLocaleString('en')} strings of ${size} bytes, each made on the Drone from a seed, digests back in order`,
    tasks,
    taskBytes: size,
    limit: `${threads} in-process loops, one a core, that make and hash the same bytes`,
    async run({ hive }) {
      if (expected.length === 0) expected = (await hashLoops(work, threads)).digests;
      const job = await hive.submit({
        kind: 'hash',
        params: { generate: size },
        range: { start: 0, step: 1, count: tasks },
      });
      const digests: unknown[] = [];
      for await (const { value, error } of job.results({ ordered: true }))
        digests.push(error?.message ?? value);
      check(digests, expected);
      return null;
    },
    async measureLimit() {
      const { millis } = await hashLoops(work, threads);
      return (tasks / millis) * 1000;
    },
  };
}

function check(digests: readonly unknown[], expected: readonly string[]): void {
  if (digests.length !== expected.length)
    throw new Error(`${digests.length} digests for ${expected.length} tasks`);
  for (let i = 0; i < expected.length; i++) {
    if (digests[i] !== expected[i])
      throw new Error(`task ${i} gave ${String(digests[i])}, not ${expected[i]}`);
  }
}

/** A string of `size` ASCII characters that differs for every `i`. */
function text(i: number, size: number): string {
  const head = `${i}:`;
  return Buffer.alloc(size, head + 'the quick brown bee jumps over the lazy drone. '.repeat(2)).toString(
    'latin1',
  );
}
