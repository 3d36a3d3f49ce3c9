/**
 * The order in which test files begin: those that allow themselves more time than others come first, since one that takes a
 * minute and begins last has the machine to itself. Jest goes by the durations of the last run, which a clean clone does not
 * have, and then by the size of files, which is least where a test starts something large.
 *
 * The rule is what stands in the file: the longest limit of its tests, as the number of a constant named …_MILLIS or as what
 * ends a test. Nobody has to keep a list.
 */
import { readFileSync } from 'node:fs';
import sequencer from '@jest/test-sequencer';

// Its types are those of the CommonJS module that it also is, in which the class is a part of the default.
const JestOrder = sequencer as unknown as typeof sequencer.default;
type Test = Parameters<InstanceType<typeof JestOrder>['sort']>[0][number];

const LIMIT = /^(?:const \w*MILLIS\w* = |\}, |\s+)([\d_]+)(?:;|,|\);)$/gm;
/** A number up to this one is no sign of a long test, in milliseconds. */
const USUAL_MILLIS = 30_000;

/** The longest limit of a test file, in milliseconds; 0 if all have the usual one. */
export function longestLimit(source: string): number {
  const limits = [...source.matchAll(LIMIT)].map(([, number]) => Number(number!.replaceAll('_', '')));
  return Math.max(0, ...limits.filter((millis) => millis > USUAL_MILLIS));
}

// biome-ignore lint/style/noDefaultExport: Jest asks for one
export default class LongestFirst extends JestOrder {
  override sort(tests: Test[]): Test[] {
    const limits = new Map(tests.map((test) => [test, longestLimit(readFileSync(test.path, 'utf8'))]));
    const sorted = super.sort(tests) as Test[];
    return sorted.toSorted((a, b) => limits.get(b)! - limits.get(a)!);
  }
}
