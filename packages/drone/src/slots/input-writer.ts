/** Puts the inputs of a lease where its thread reads them; see `inputLayout`. */
import type { LeaseOrder } from '../agent/events.ts';
import { positionOf } from '../agent/lease.ts';
import { type ControlBlock, inputLayout, WORD } from './control-block.ts';

type Inputs = Pick<LeaseOrder, 'ranges' | 'sizes' | 'data' | 'streams'>;

const countOf = ({ ranges }: Inputs): number => {
  let count = 0;
  for (let i = 1; i < ranges.length; i += 2) count += ranges[i]!;
  return count;
};
const layoutOf = (inputs: Inputs, count: number) =>
  inputLayout(inputs.ranges.length / 2, inputs.streams.length, count, typeof inputs.sizes === 'number');

/** Bytes that they take. */
export function inputBytes(inputs: Inputs): number {
  return layoutOf(inputs, countOf(inputs)).dataAt + inputs.data.length;
}

/** @param input has room for them */
export function writeInput(words: ControlBlock['words'], input: SharedArrayBuffer, inputs: Inputs): void {
  const { ranges, sizes, data, streams } = inputs;
  const count = countOf(inputs);
  const layout = layoutOf(inputs, count);
  const floats = new Float64Array(input, 0, ranges.length + streams.length * 2);
  floats.set(ranges);
  streams.forEach(({ index, bytes, encoded }, i) => {
    floats[ranges.length + i * 2] = positionOf({ ranges }, index) ?? -1;
    floats[ranges.length + i * 2 + 1] = encoded === true ? -bytes : bytes;
  });
  const bytes = new Uint8Array(input);
  if (typeof sizes !== 'number') bytes.set(sizes, layout.sizesAt);
  bytes.set(data, layout.dataAt);
  words[WORD.ranges] = ranges.length / 2;
  words[WORD.streams] = streams.length;
  words[WORD.count] = count;
  words[WORD.size] = typeof sizes === 'number' ? sizes : -1;
}
