/** What is right for the value of a job that is folded: found in a loop over its inputs, without composing anything. */
import { CLASSES, MODULUS, type Steps, stepOf } from './folded.task.ts';

/** Any number would do. */
const SEED = 1_234_567n;

/** What is wrong with the value of a job over these inputs, or null. */
export function foldedProblem(
  count: number,
  inputOf: (index: number) => number,
  value: unknown,
): string | null {
  const found = value as Steps | undefined;
  if (typeof found?.a !== 'bigint' || typeof found.b !== 'bigint' || !(found.counts instanceof Map))
    return `its value is ${String(value)}`;
  if (found.from !== 0 || found.to !== count - 1)
    return `its value is that of tasks ${found.from} to ${found.to}, not 0 to ${count - 1}`;
  let x = SEED;
  const counts = new Map<number, number>();
  for (let index = 0; index < count; index++) {
    const input = inputOf(index);
    const { a, b } = stepOf(input);
    x = (a * x + b) % MODULUS;
    counts.set(input % CLASSES, (counts.get(input % CLASSES) ?? 0) + 1);
  }
  if ((found.a * SEED + found.b) % MODULUS !== x) return 'its steps were not composed in their order';
  for (let remainder = 0; remainder < CLASSES; remainder++) {
    const [is, should] = [found.counts.get(remainder), counts.get(remainder)];
    if (is !== should) return `it has counted ${is} of remainder ${remainder}, not ${should}`;
  }
  return null;
}
